"""What a device is called, what it has, and whether torch can use it."""

import logging
from pathlib import Path

import pytest
import torch

from models.device_faults import DeviceLostError
from server.worker import torch_device
from server.worker.torch_device import (
    UnusableDeviceError,
    device_for,
    free_for_steps,
    require_usable,
    title,
    total_bytes,
    used_bytes,
)
from tests.support.fake_cuda import CUDA, ILLEGAL_ADDRESS, cuda_error, fake_cuda

CPU = torch.device("cpu")
GIB = 1 << 30


def test_device_for_names_devices() -> None:
    assert device_for("cpu") == CPU
    assert device_for("cuda:1") == torch.device("cuda", 1)
    assert device_for("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_cpu_memory_is_that_of_the_machine() -> None:
    assert title(CPU) == "CPU"
    assert 0 < used_bytes(CPU) < total_bytes(CPU)


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch can use the card here")
def test_card_that_torch_cannot_use_is_no_silent_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch_device, "CARDS", tmp_path)
    assert device_for("auto") == CPU
    assert not caplog.records
    (tmp_path / "0000:01:00.0").mkdir()
    with caplog.at_level(logging.WARNING):
        assert device_for("auto") == CPU
    assert "this machine has 1 NVIDIA cards, but torch cannot use them" in caplog.text


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch can use the card here")
def test_unusable_device_is_refused_at_the_start() -> None:
    require_usable(CPU)
    with pytest.raises(UnusableDeviceError, match=r"cannot use cuda:0.*hua preflight"):
        require_usable(CUDA)


def test_steps_take_no_memory_of_other_processes() -> None:
    with fake_cuda() as cuda:
        cuda.total, cuda.free = 20 * GIB, 16 * GIB
        assert free_for_steps(CUDA, lambda: 4 * GIB) == 14 * GIB
        cuda.free = 3 * GIB
        cuda.reserved, cuda.allocated = 5 * GIB, 4 * GIB
        assert free_for_steps(CUDA, lambda: 4 * GIB) == 4 * GIB


def test_memory_that_the_device_does_not_tell_is_not_taken() -> None:
    with fake_cuda() as cuda:
        cuda.errors["mem_get_info"] = cuda_error(1)
        assert free_for_steps(CUDA, lambda: 0) == 0
        cuda.errors["mem_get_info"] = cuda_error(ILLEGAL_ADDRESS)
        with pytest.raises(DeviceLostError):
            free_for_steps(CUDA, lambda: 0)
