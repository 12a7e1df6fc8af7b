"""Sending small tensors to the device without waiting for it."""

from __future__ import annotations

from torch import Tensor, device


def to_device_async(values: Tensor, to: device) -> Tensor:
    """`values` on the device, without waiting until all that was launched before has run: from pinned memory, which
    the allocator keeps until the copy is done."""
    if to.type == "cuda" and values.device.type == "cpu":
        values = values.pin_memory()
    return values.to(to, non_blocking=True)
