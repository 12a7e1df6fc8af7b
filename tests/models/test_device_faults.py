"""Which errors of the device end the process, and which do not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from models.device_faults import DeviceLostError, is_out_of_memory, raise_if_lost
from tests.support.fake_cuda import CAPTURE_INVALIDATED, ILLEGAL_ADDRESS, NO_MEMORY, FakeCuda, cuda_error, fake_cuda


@pytest.fixture
def cuda() -> Iterator[FakeCuda]:
    with fake_cuda() as cuda:
        yield cuda


@pytest.mark.parametrize("code", [ILLEGAL_ADDRESS, 214, 702, 710, 719, 721, 999, 46])
def test_sticky_errors_lose_the_device(code: int) -> None:
    with pytest.raises(DeviceLostError, match=str(code)):
        raise_if_lost(cuda_error(code))


def test_error_without_a_number_loses_the_device() -> None:
    with pytest.raises(DeviceLostError):
        raise_if_lost(torch.AcceleratorError("CUDA error: unknown"))


@pytest.mark.parametrize("code", [*range(900, 909), NO_MEMORY, 98, 209, 701, 801])
def test_passing_errors_do_not(cuda: FakeCuda, code: int) -> None:
    raise_if_lost(cuda_error(code))
    assert is_out_of_memory(cuda_error(code)) is (code == NO_MEMORY)


def test_cause_that_loses_the_device_is_found() -> None:
    """A failed capture hides the error that ended it, and the registry hides that of a load."""
    error = RuntimeError("model 'a' could not be loaded")
    error.__cause__ = cuda_error(CAPTURE_INVALIDATED)
    error.__cause__.__context__ = cuda_error(ILLEGAL_ADDRESS)
    with pytest.raises(DeviceLostError, match="700"):
        raise_if_lost(error)


def test_device_is_asked_after_an_error_that_says_nothing(cuda: FakeCuda) -> None:
    error = RuntimeError("CUBLAS_STATUS_EXECUTION_FAILED")
    raise_if_lost(error)
    cuda.lost = cuda_error(719)
    with pytest.raises(DeviceLostError, match="719"):
        raise_if_lost(error)
