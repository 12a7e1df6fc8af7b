"""Compiled code in a file: used if it is what it should be and does what it should, refused with a reason otherwise."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.compiled.forward_pass import ForwardPassSpec
from models.compiled.package import InTrialError, Package, PackageError, mark_of, trial
from tests.support.tiny import given_to, passed, stretched, tiny_unet


@pytest.fixture
def given() -> dict[str, torch.Tensor]:
    return given_to(tiny_unet())


@torch.inference_mode()
def test_it_computes_with_whatever_weights_it_is_handed(package: Path, given: dict[str, torch.Tensor]) -> None:
    net, other = tiny_unet(), stretched(tiny_unet())
    compiled = Package(package, ForwardPassSpec.of(net, given))
    compiled.check(net, given, passed(net, given))
    compiled.check(other, given, passed(other, given))
    with pytest.raises(PackageError, match="its results differ from the net's by"):
        compiled.check(net, given, passed(other, given))


@torch.inference_mode()
def test_what_lies_otherwise_is_laid_right(package: Path, given: dict[str, torch.Tensor]) -> None:
    net = tiny_unet()
    compiled = Package(package, ForwardPassSpec.of(net, given))
    turned = {**given, "latents": given["latents"].to(memory_format=torch.channels_last)}
    compiled.check(net, turned, passed(net, given))


@torch.inference_mode()
def test_weights_are_changed_and_laid_elsewhere_under_it(package: Path, given: dict[str, torch.Tensor]) -> None:
    """As a merge of a LoRA and a switch of checkpoints do."""
    net = tiny_unet()
    compiled = Package(package, ForwardPassSpec.of(net, given))
    for weight in net.parameters():
        weight.mul_(1.05)
    compiled.check(net, given, passed(net, given))
    for weight in net.parameters():
        weight.data = weight.data * 1.05
    compiled.check(net, given, passed(net, given))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
def test_half_a_file_is_none(package: Path, given: dict[str, torch.Tensor], tmp_path: Path, share: float) -> None:
    torn = tmp_path / package.name
    torn.write_bytes(package.read_bytes()[: int(package.stat().st_size * share)])
    with pytest.raises(PackageError, match="cannot be loaded"):
        Package(torn, ForwardPassSpec.of(tiny_unet(), given))


def test_what_was_made_of_something_else_is_not_used(
    package: Path, given: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    wanted = replace(ForwardPassSpec.of(tiny_unet(), given), build_target="sm75-torch2.0.0")
    foreign = tmp_path / f"{wanted.name}.pt2"
    shutil.copy(package, foreign)
    with pytest.raises(PackageError, match="it was compiled of another pass"):
        Package(foreign, wanted)


def test_nobody_tries_again_what_has_ended_a_process(tmp_path: Path) -> None:
    file = tmp_path / f"{tmp_path.name}-deadly.pt2"
    with trial(file), pytest.raises(InTrialError), trial(file):
        pass
    with pytest.raises(RuntimeError), trial(file):
        raise RuntimeError
    with trial(file):
        left_behind = mark_of(file).read_text()
    assert not mark_of(file).exists()
    mark_of(file).write_text(left_behind)  # as a process does that ends in between
    with pytest.raises(PackageError, match="a process ended while it tried it; delete"), trial(file):
        pass
    mark_of(file).unlink()
