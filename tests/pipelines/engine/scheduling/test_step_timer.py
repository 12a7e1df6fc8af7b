"""Steps are timed where they run."""

from __future__ import annotations

import time

import pytest
import torch

from pipelines.engine.scheduling.step_timer import StepClock

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
