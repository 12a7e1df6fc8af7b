"""Copies of tensors in host memory."""

from __future__ import annotations

import logging
from functools import cache

import torch
from torch import Tensor

from models.device_faults import is_out_of_memory, raise_if_lost

log = logging.getLogger(__name__)


def copy_to_host(weight: Tensor) -> Tensor:
    """A copy in host memory; of a weight on CUDA in pinned memory, which the device reads at full speed."""
    return _empty_like(weight, pinned=weight.device.type == "cuda").copy_(weight.detach())


def pinned(values: Tensor) -> Tensor:
    """A copy in pinned memory, which the device reads without blocking; `values` if there is no such memory left."""
    copied = _empty_like(values, pinned=True)
    return copied.copy_(values) if copied.is_pinned() else values


def _empty_like(values: Tensor, pinned: bool) -> Tensor:
    """In host memory. A host limits how much of it is pinned; memory that is not pinned only costs time."""
    try:
        return torch.empty_like(values, device="cpu", pin_memory=pinned, requires_grad=False)
    except RuntimeError as error:
        if not (pinned and is_out_of_memory(error)):
            raise
        raise_if_lost(error)
        _warn_once()
        return torch.empty_like(values, device="cpu", requires_grad=False)


@cache
def _warn_once() -> None:
    log.warning("this host has no page-locked memory left; models and steps are copied to the device more slowly")
