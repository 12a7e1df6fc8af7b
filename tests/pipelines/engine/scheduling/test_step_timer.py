"""Steps are timed where they run."""

from __future__ import annotations

import time

import pytest
import torch

from models.device_faults import DeviceLostError
from pipelines.engine.scheduling.step_timer import StepClock
from tests.support.fake_cuda import CUDA, ILLEGAL_ADDRESS, cuda_error, fake_cuda

CPU = torch.device("cpu")


def test_step_clock_reports_seconds() -> None:
    heard: list[float] = []
    with StepClock().timed(CPU, heard.append):
        time.sleep(0.01)
    assert len(heard) == 1
    assert heard[0] >= 0.01


def test_failed_step_is_not_reported() -> None:
    heard: list[float] = []
    with pytest.raises(ValueError, match="broken"), StepClock().timed(CPU, heard.append):
        raise ValueError("broken")
    assert not heard


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_step_is_reported_after_the_next() -> None:
    heard: list[float] = []
    clock, device = StepClock(), torch.device("cuda")
    for count in (0, 1):
        with clock.timed(device, heard.append):
            torch.randn(64, 64, device=device) @ torch.randn(64, 64, device=device)
        assert len(heard) == count
    assert heard[0] > 0


def test_step_of_a_device_is_reported_after_the_next() -> None:
    heard: list[float] = []
    with fake_cuda():
        clock = StepClock()
        for count in (0, 1, 2):
            with clock.timed(CUDA, heard.append):
                pass
            assert heard == [0.001] * count


def test_step_that_cannot_be_timed_has_not_failed() -> None:
    heard: list[float] = []
    with fake_cuda() as cuda:
        clock = StepClock()
        cuda.errors["elapsed_time"] = cuda_error(1)
        for _ in range(3):
            with clock.timed(CUDA, heard.append):
                pass
    assert heard == [0.001]


def test_timer_learns_that_the_device_is_lost() -> None:
    with fake_cuda() as cuda:
        clock = StepClock()
        with clock.timed(CUDA, pytest.fail):
            pass
        cuda.errors["synchronize"] = cuda_error(ILLEGAL_ADDRESS)
        with pytest.raises(DeviceLostError), clock.timed(CUDA, pytest.fail):
            pass
