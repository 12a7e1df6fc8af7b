"""Imitates a card that fails: from its third pass on, every denoiser of this process fails in the chosen way.

raise: an error of a kernel, which the device survives.
oom: the device has no memory for more than two rows.
sticky: CUDA's error 700, at every later pass too.
nan: the pass returns NaN.
hang, segfault, killed: what a driver, a library or the kernel of the system does to the process.
capture: every capture of a graph is refused, with CUDA's error 900; passes work.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from benchmarks.gpu_day import local_engine
from benchmarks.gpu_day.plan import Fault
from pipelines.engine.execution.cuda_graphs import Capture, Graph, StepResult

GOOD_PASSES = 2
MOST_ROWS = 2
HANG_S = 0.05
ILLEGAL_ADDRESS = 700
UNSUPPORTED = 900
"""cudaErrorStreamCaptureUnsupported: an operation that no graph may hold."""


def install(fault: Fault) -> None:
    """For the rest of this process."""
    if fault == "capture":
        local_engine.capture_for = _refusing
        return
    passes = count(1)

    def fail(net: nn.Module, inputs: Any, output: Any) -> Any:
        if not isinstance(net, UNet2DConditionModel) or next(passes) <= GOOD_PASSES:
            return output
        return _fail(fault, len(inputs[0]) if inputs else 0, output)

    nn.modules.module.register_module_forward_hook(fail)


def cuda_error(code: int) -> Exception:
    """As torch raises it."""
    error: Any = torch.AcceleratorError(f"CUDA error: {code}")
    error.error_code = code
    return error  # type: ignore[no-any-return]


def refusing(code: int) -> Capture:
    """A capture that ends with this error."""

    def capture(run: Callable[[], StepResult]) -> Graph:
        raise cuda_error(code)

    return capture


def _refusing(device: torch.device) -> Capture:
    return refusing(UNSUPPORTED)


def _fail(fault: Fault, rows: int, output: Any) -> Any:
    match fault:
        case "raise":
            raise RuntimeError("CUDA error: an operation of a kernel failed")
        case "oom" if rows > MOST_ROWS:
            raise torch.OutOfMemoryError(f"CUDA out of memory: {rows} rows")
        case "sticky":
            raise cuda_error(ILLEGAL_ADDRESS)
        case "nan":
            return type(output)(_spoiled(output[0])) if not isinstance(output, tuple) else (_spoiled(output[0]),)
        case "hang":
            while True:
                time.sleep(HANG_S)
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
    return output


def _spoiled(values: Tensor) -> Tensor:
    return torch.full_like(values, float("nan"))
