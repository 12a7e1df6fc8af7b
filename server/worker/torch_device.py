"""A torch device: which one a name means, its title and its memory. On a CPU, memory is that of the machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import torch

from models.device_faults import raise_if_lost

log = logging.getLogger(__name__)
STEPS_FRACTION = 0.9
"""Of the device's memory, for models and steps together; the rest is for decoding and for CUDA itself."""
CARDS = Path("/proc/driver/nvidia/gpus")


def device_for(name: str) -> torch.device:
    """`name`: auto, cpu or cuda:N."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda:0")
    if cards := sorted(CARDS.glob("*")):
        log.warning(
            "this machine has %d NVIDIA cards, but torch cannot use them, so tasks run on the CPU, hundreds of times "
            "slower; see `hua preflight`, or set HUA_DEVICE=cuda:0 to run no tasks there",
            len(cards),
        )
    return torch.device("cpu")


class UnusableDeviceError(Exception):
    """Torch cannot compute on the device; the message says why."""


def require_usable(device: torch.device) -> None:
    """Raises UnusableDeviceError, for instance if the driver is too old for this torch, or torch has no code for the
    card. Otherwise each task would fail of it."""
    try:
        ones = torch.ones(8, 8, device=device)
        ones.matmul(ones).sum().item()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        message = f"torch {torch.__version__} cannot use {device}: {reason}; see `hua preflight`"
        raise UnusableDeviceError(message) from error


def free_for_steps(device: torch.device, taken: Callable[[], int]) -> int:
    """Bytes of a GPU that steps may still take, besides those that models and graphs have `taken`.

    Other processes may use the GPU, too: it is no more than what is free now and what torch keeps for reuse.
    """
    try:
        free, total = torch.cuda.mem_get_info(device)
    except RuntimeError as error:
        raise_if_lost(error)
        return 0
    reusable = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min(int(total * STEPS_FRACTION) - taken(), int(free + reusable))


def title(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def total_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def used_bytes(device: torch.device) -> int:
    """On a GPU by all processes, on a CPU by this process."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return int(total - free)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
