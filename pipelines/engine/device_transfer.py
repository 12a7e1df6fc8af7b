"""Copies small tensors to the device without blocking."""

from __future__ import annotations

from torch import Tensor, device

from models.host_memory import pinned


def to_device_async(values: Tensor, to: device) -> Tensor:
    """A plain copy would wait until all work launched before has run. This one goes through pinned memory, which the
    allocator keeps until the copy is done."""
    if to.type == "cuda" and values.device.type == "cpu":
        values = pinned(values)
    return values.to(to, non_blocking=True)
