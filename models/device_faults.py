"""Which errors mean that the device is lost to this process, and which only that one thing cannot be done.

CUDA calls some errors sticky: every later call fails with them, and only the end of the process helps. The numbers are
those of `cudaError_t`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

OUT_OF_MEMORY = 2
CAPTURE_ERRORS = frozenset(range(900, 909))
PASSING_ERRORS = frozenset({1, OUT_OF_MEMORY, 9, 98, 200, 209, 218, 222, 701, 712, 713, 801, 910}) | CAPTURE_ERRORS
"""Invalid arguments, no memory, code for another device, too few resources, not supported, capture. After any other
error the device counts as lost: a process that ends too soon costs less than one that cannot work any more."""


class DeviceLostError(Exception):
    """The device has failed. No work of this process can succeed on it any more, so the process must end."""

    code = "internal"


def raise_if_lost(error: BaseException) -> None:
    """Raises DeviceLostError if the device is lost: `error` or one of its causes says so, or the device itself.

    Libraries report a lost device by errors of their own, which look like any other (cuBLAS, ONNX, compiled packages).
    So the device is asked. It answers when it has done all its work; one that never answers is ended by the worker.
    """
    lost = next(filter(_is_lost, _causes(error)), None) or _ask_device()
    if lost is not None:
        raise DeviceLostError(str(lost).partition("\n")[0]) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Of the device. Page-locked host memory and graphs report it by a number."""
    return isinstance(error, torch.OutOfMemoryError) or _code(error) == OUT_OF_MEMORY


def _is_lost(error: BaseException) -> bool:
    accelerator = isinstance(error, torch.AcceleratorError) and _code(error) not in PASSING_ERRORS
    return accelerator or isinstance(error, DeviceLostError)


def _code(error: BaseException) -> int | None:
    """The driver's number of an error, if it has one."""
    return getattr(error, "error_code", None) if isinstance(error, torch.AcceleratorError) else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error itself, and what it was raised from or while handling."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is not None and each not in seen:
            seen.append(each)
            waiting += [each.__cause__, each.__context__]
            yield each


def _ask_device() -> BaseException | None:
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return None
    try:
        torch.cuda.synchronize()
    except RuntimeError as error:
        return error if _is_lost(error) else None
    return None
