"""Weights that stay at their addresses while checkpoints come and go: one of the same layout is copied into place.

A captured CUDA graph knows addresses, not checkpoints. If the next denoiser lies at the addresses of the last one,
every graph captured over them still works, and a switch of models captures none again.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch
from torch import Tensor, nn

from models.host_memory import copy_to_host


class StaticWeights:
    """The memory of one net's weights, as an identity: it is freed with the last reference to it."""

    def __init__(self, net: nn.Module) -> None:
        self._layout = layout(net)
        self._memory: dict[str, Tensor] = {}
        """The memory by name of the weight, while no net lies in it."""

    @classmethod
    @torch.no_grad()
    def elsewhere(cls, net: nn.Module) -> StaticWeights:
        """Gives the net host memory of its own, with the same weights."""
        for weight in weights_of(net).values():
            weight.data = copy_to_host(weight.data)
        return cls(net)

    def keep(self, net: nn.Module) -> None:
        """Keeps the memory of `net`, which is this one, until the next call of `settle`."""
        self._memory = {name: weight.data for name, weight in weights_of(net).items()}

    @torch.no_grad()
    def settle(self, net: nn.Module) -> bool:
        """Copies the net's weights into the kept memory, where they stay. False, and nothing is done, if the net has
        another layout or no memory was kept."""
        memory, self._memory = self._memory, {}
        if not memory or layout(net) != self._layout:
            return False
        for name, weight in weights_of(net).items():
            weight.data = memory[name].copy_(weight.data, non_blocking=True)
        return True


def layout(net: nn.Module) -> str:
    """A digest of the net without its numbers: its configuration, and name, shape and dtype of every weight."""
    net_config: Any = getattr(net, "config", {})
    config = {name: value for name, value in dict(net_config).items() if not name.startswith("_")}
    shapes = [(name, list(weight.shape), str(weight.dtype)) for name, weight in weights_of(net).items()]
    return hashlib.sha256(json.dumps([config, shapes], default=str, sort_keys=True).encode()).hexdigest()


def weights_of(net: nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer, by name."""
    return {**dict(net.named_parameters()), **dict(net.named_buffers())}
