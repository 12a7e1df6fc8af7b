"""Copies of weights in host memory."""

from __future__ import annotations

import torch
from torch import Tensor


def copy_to_host(weight: Tensor) -> Tensor:
    """A copy in host memory; of a weight on CUDA in pinned memory, which the device reads at full speed."""
    host = torch.empty_like(weight, device="cpu", pin_memory=weight.device.type == "cuda", requires_grad=False)
    return host.copy_(weight.detach())
