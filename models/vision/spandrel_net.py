"""Single nets that spandrel reads: one `.safetensors`, whose weights alone tell architecture and size."""

from __future__ import annotations

from collections.abc import Callable

import torch
from safetensors.torch import load_file
from spandrel import MAIN_REGISTRY, ModelDescriptor, StateDict, UnsupportedModelError
from torch import Tensor

from models.catalog.entry import ModelEntry


class NetError(Exception):
    """A file holds no net that can do what its family does; the message says what to give instead."""


class SpandrelNet:
    """What the registry needs of such a net. It computes in `dtype`; where it cannot in half precision, in single."""

    def __init__(self, entry: ModelEntry, net: ModelDescriptor, dtype: torch.dtype) -> None:
        self.name = entry.name
        self.family: str = entry.family
        self.dtype = dtype if dtype != torch.float16 or net.supports_half else torch.float32
        self.device = torch.device("cpu")
        self._net = net
        net.model.to(self.dtype).eval().requires_grad_(False)

    @property
    def bytes(self) -> int:
        """What the weights take, wherever they are."""
        model = self._net.model
        return sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))

    def to(self, device: torch.device) -> None:
        self._net.model.to(device)
        self.device = device

    def _given(self, pixels: Tensor) -> Tensor:
        """uint8 [rows, height, width, channels] as the net takes it: [rows, channels, height, width] in 0..1."""
        return pixels.to(self.device).permute(0, 3, 1, 2).to(self.dtype) / 255


def to_uint8(planes: Tensor) -> Tensor:
    """[rows, channels, height, width] in 0..1 as uint8 [rows, height, width, channels] on the CPU."""
    return (planes.float() * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu()


def read_net(entry: ModelEntry, read: Callable[[StateDict], ModelDescriptor] = MAIN_REGISTRY.load) -> ModelDescriptor:
    """The net of an entry's weights, on the CPU. Raises NetError."""
    try:
        return read(load_file(entry.path))
    except UnsupportedModelError as error:
        raise NetError(
            f"{entry.path.name} is of no architecture that is known for family {entry.family}; "
            "give the weights of the bare net, in the lay-out that its authors published"
        ) from error
    except RuntimeError as error:
        raise NetError(f"{entry.path.name} does not fit the architecture that its keys tell of: {error}") from error
