"""Copies in host memory, with and without page-locked memory left."""

from __future__ import annotations

import pytest
import torch

from models.host_memory import pinned
from pipelines.engine.device_transfer import to_device_async
from tests.support.fake_cuda import ILLEGAL_ADDRESS, NO_MEMORY, cuda_error, fake_cuda

VALUES = torch.arange(3.0)


def test_memory_that_cannot_be_pinned_is_pageable() -> None:
    with fake_cuda() as cuda:
        cuda.errors["pin"] = cuda_error(NO_MEMORY)
        assert torch.equal(pinned(VALUES), VALUES)
        assert cuda.calls["pin"] == 1


def test_lost_device_is_no_lack_of_memory() -> None:
    with fake_cuda() as cuda:
        cuda.errors["pin"] = cuda_error(ILLEGAL_ADDRESS)
        with pytest.raises(torch.AcceleratorError):
            pinned(VALUES)


def test_values_for_the_cpu_are_not_pinned() -> None:
    with fake_cuda() as cuda:
        assert torch.equal(to_device_async(VALUES, torch.device("cpu")), VALUES)
        assert cuda.calls["pin"] == 0
