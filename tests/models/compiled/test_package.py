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
def test_package_computes_with_other_weights(package: Path, given: dict[str, torch.Tensor]) -> None:
    net, other = tiny_unet(), stretched(tiny_unet())
    compiled = Package(package, ForwardPassSpec.of(net, given))
    compiled.check(net, given, passed(net, given))
    compiled.check(other, given, passed(other, given))
    with pytest.raises(PackageError, match="its results differ from the net's by"):
        compiled.check(net, given, passed(other, given))


@torch.inference_mode()
def test_package_accepts_inputs_of_other_strides(package: Path, given: dict[str, torch.Tensor]) -> None:
    net = tiny_unet()
    compiled = Package(package, ForwardPassSpec.of(net, given))
    turned = {**given, "latents": given["latents"].to(memory_format=torch.channels_last)}
    compiled.check(net, turned, passed(net, given))


@torch.inference_mode()
def test_package_follows_changed_and_moved_weights(package: Path, given: dict[str, torch.Tensor]) -> None:
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
def test_truncated_package_is_refused(
    package: Path, given: dict[str, torch.Tensor], tmp_path: Path, share: float
) -> None:
    torn = tmp_path / package.name
    torn.write_bytes(package.read_bytes()[: int(package.stat().st_size * share)])
    with pytest.raises(PackageError, match="cannot be loaded"):
        Package(torn, ForwardPassSpec.of(tiny_unet(), given))


def test_package_of_another_pass_is_refused(package: Path, given: dict[str, torch.Tensor], tmp_path: Path) -> None:
    wanted = replace(ForwardPassSpec.of(tiny_unet(), given), build_target="sm75-torch2.0.0")
    foreign = tmp_path / f"{wanted.name}.pt2"
    shutil.copy(package, foreign)
    with pytest.raises(PackageError, match="it was compiled of another pass"):
        Package(foreign, wanted)


def test_trial_that_ended_a_process_is_not_repeated(tmp_path: Path) -> None:
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
