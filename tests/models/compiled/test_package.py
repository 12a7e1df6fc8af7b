"""Compiled packages: used if they match the pass and compute it correctly, else refused with a reason."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.compiled.forward_pass import ForwardPassSpec
from models.compiled.package import InTrialError, Package, PackageError, mark_of, trial
from models.device_faults import DeviceLostError
from tests.support.fake_cuda import ILLEGAL_ADDRESS, cuda_error
from tests.support.tiny import make_inputs, run_uncompiled, stretched, tiny_unet


@pytest.fixture
def inputs() -> dict[str, torch.Tensor]:
    return make_inputs(tiny_unet())


@torch.inference_mode()
def test_package_computes_with_other_weights(package: Path, inputs: dict[str, torch.Tensor]) -> None:
    net, other = tiny_unet(), stretched(tiny_unet())
    compiled = Package(package, ForwardPassSpec.of(net, inputs))
    compiled.check(net, inputs, run_uncompiled(net, inputs))
    compiled.check(other, inputs, run_uncompiled(other, inputs))
    with pytest.raises(PackageError, match="its results differ from the net's by"):
        compiled.check(net, inputs, run_uncompiled(other, inputs))


@torch.inference_mode()
def test_package_accepts_inputs_of_other_strides(package: Path, inputs: dict[str, torch.Tensor]) -> None:
    net = tiny_unet()
    compiled = Package(package, ForwardPassSpec.of(net, inputs))
    turned = {**inputs, "latents": inputs["latents"].to(memory_format=torch.channels_last)}
    compiled.check(net, turned, run_uncompiled(net, inputs))


@torch.inference_mode()
def test_package_follows_changed_and_moved_weights(package: Path, inputs: dict[str, torch.Tensor]) -> None:
    """Merging a LoRA changes weights; switching checkpoints moves them."""
    net = tiny_unet()
    compiled = Package(package, ForwardPassSpec.of(net, inputs))
    for weight in net.parameters():
        weight.mul_(1.05)
    compiled.check(net, inputs, run_uncompiled(net, inputs))
    for weight in net.parameters():
        weight.data = weight.data * 1.05
    compiled.check(net, inputs, run_uncompiled(net, inputs))


@pytest.mark.parametrize("ratio", [0.0, 0.5, 0.999])
def test_truncated_package_is_refused(
    package: Path, inputs: dict[str, torch.Tensor], tmp_path: Path, ratio: float
) -> None:
    torn = tmp_path / package.name
    torn.write_bytes(package.read_bytes()[: int(package.stat().st_size * ratio)])
    with pytest.raises(PackageError, match="cannot be loaded"):
        Package(torn, ForwardPassSpec.of(tiny_unet(), inputs))


def test_package_of_another_pass_is_refused(package: Path, inputs: dict[str, torch.Tensor], tmp_path: Path) -> None:
    spec = replace(ForwardPassSpec.of(tiny_unet(), inputs), build_target="sm75-torch2.0.0")
    foreign = tmp_path / f"{spec.name}.pt2"
    shutil.copy(package, foreign)
    with pytest.raises(PackageError, match="it was compiled of another pass"):
        Package(foreign, spec)


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


def test_trial_that_lost_the_device_is_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / f"{tmp_path.name}-illegal.pt2"
    with pytest.raises(RuntimeError), trial(file):
        raise cuda_error(98)
    assert not mark_of(file).exists()
    with pytest.raises(DeviceLostError), trial(file):
        raise cuda_error(ILLEGAL_ADDRESS)
    with pytest.raises(PackageError, match="a process ended"), trial(file):
        pass
    mark_of(file).unlink()
