"""A loaded model as the registry sees it: it has a size in bytes and can be moved to a device."""

from __future__ import annotations

from itertools import count
from typing import Protocol

import torch
from torch import nn

from models.catalog.entry import ModelEntry

_serials = count(1)


def next_serial() -> int:
    """A number that no other loaded model of this process has or had.

    What is computed with a model's weights is remembered under this number. A name is not enough: a file may be
    replaced while tasks still use what was loaded from the old one.
    """
    return next(_serials)


class LoadedModel(Protocol):
    name: str
    family: str
    device: torch.device

    @property
    def bytes(self) -> int:
        """What the weights take, wherever they are."""
        ...

    def to(self, device: torch.device) -> None:
        """Moves the weights."""
        ...


class TorchModel:
    """A loaded model whose weights are those of torch nets. It starts on the CPU."""

    def __init__(self, entry: ModelEntry, *nets: nn.Module) -> None:
        self.name = entry.name
        self.family = entry.family
        self.serial = next_serial()
        self.device = torch.device("cpu")
        self._nets = nets
        for net in nets:
            net.eval().requires_grad_(False)

    @property
    def bytes(self) -> int:
        """What the weights take, wherever they are."""
        return sum(tensor.nbytes for net in self._nets for tensor in (*net.parameters(), *net.buffers()))

    def to(self, device: torch.device) -> None:
        """Moves the weights."""
        for net in self._nets:
            net.to(device)
        self.device = device
