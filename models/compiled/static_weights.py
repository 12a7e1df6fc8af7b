"""Weights that stay where they are while checkpoints come and go: whoever has the same layout is copied into place.

A captured graph knows addresses, not checkpoints. If the next denoiser lies at the addresses of the last one, every
graph captured over them goes on to serve, and a switch of models captures nothing anew.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch
from torch import Tensor, nn

from models.host_memory import copy_to_host


class StaticWeights:
    """The memory of one net's weights, as an identity: it goes when nobody holds it any more."""

    def __init__(self, net: nn.Module) -> None:
        self._layout = layout(net)
        self._behind: dict[str, Tensor] = {}

    @classmethod
    @torch.no_grad()
    def elsewhere(cls, net: nn.Module) -> StaticWeights:
        """Gives the net host memory of its own, with the same weights."""
        for weight in weights_of(net).values():
            weight.data = copy_to_host(weight.data)
        return cls(net)

    def keep(self, net: nn.Module) -> None:
        """Holds on to this memory, in which the net lies now, until another has settled."""
        self._behind = {name: weight.data for name, weight in weights_of(net).items()}

    @torch.no_grad()
    def settled(self, net: nn.Module) -> bool:
        """Copies the net's weights to where those of another were, and lets them lie there from now on; False, and
        nothing done, if that one was of another layout."""
        behind, self._behind = self._behind, {}
        if not behind or layout(net) != self._layout:
            return False
        for name, weight in weights_of(net).items():
            weight.data = behind[name].copy_(weight.data, non_blocking=True)
        return True


def layout(net: nn.Module) -> str:
    """A digest of what a net is but for the numbers: its configuration, and name, shape and type of every weight."""
    config: Any = getattr(net, "config", {})
    said = {name: value for name, value in dict(config).items() if not name.startswith("_")}
    shapes = [(name, list(weight.shape), str(weight.dtype)) for name, weight in weights_of(net).items()]
    return hashlib.sha256(json.dumps([said, shapes], default=str, sort_keys=True).encode()).hexdigest()


def weights_of(net: nn.Module) -> dict[str, Tensor]:
    """Every parameter and buffer, by name."""
    return {**dict(net.named_parameters()), **dict(net.named_buffers())}
