"""Nets that spandrel reads: one `.safetensors` file, whose weights tell the architecture and its size."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from spandrel import MAIN_REGISTRY, ModelDescriptor, StateDict, UnsupportedModelError
from torch import Tensor

from models.catalog.entry import ModelEntry
from models.files.weights_error import WeightsError, one_line
from models.finite import require_finite
from models.loaded_model import TorchModel
from models.loading.tensors import read_tensors

log = logging.getLogger(__name__)


class NetError(WeightsError):
    """A file is not a net of its family; the message says what to give instead."""


class SpandrelNet(TorchModel):
    """A loaded net of spandrel. It computes in `dtype`, or in single precision if it does not support half, or
    overflows in it."""

    def __init__(self, entry: ModelEntry, net: ModelDescriptor, dtype: torch.dtype) -> None:
        self.dtype = dtype if dtype != torch.float16 or net.supports_half else torch.float32
        super().__init__(entry, net.model.to(self.dtype))
        self._net = net

    def _as_input(self, pixels: Tensor) -> Tensor:
        """uint8 [rows, height, width, channels] as the input of the net: [rows, channels, height, width] in 0..1."""
        return pixels.to(self.device).permute(0, 3, 1, 2).to(self.dtype) / 255

    def _run(self, *inputs: Tensor) -> Tensor:
        """The output of the net. Raises NotFiniteError."""
        output = self._call(*inputs)
        if self.dtype != torch.float32 and not output.isfinite().all():
            log.warning("model %r overflows in half precision; from now on it runs in single precision", self.name)
            self.dtype = torch.float32
            self._net.model.float()
            output = self._call(*(each.float() for each in inputs))
        require_finite(f"model {self.name!r} of family {self.family}", output)
        return output

    def _call(self, *inputs: Tensor) -> Tensor:
        output: Tensor = self._net(*inputs)
        return output


def to_uint8(planes: Tensor) -> Tensor:
    """[rows, channels, height, width] in 0..1 as uint8 [rows, height, width, channels] on the CPU."""
    return (planes.float() * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu()


def read_net(entry: ModelEntry, read: Callable[[StateDict], ModelDescriptor] = MAIN_REGISTRY.load) -> ModelDescriptor:
    """The net of the weights of an entry, on the CPU. Raises WeightsError."""
    return net_of(entry, read_tensors(entry.path), read)


def net_of(
    entry: ModelEntry, tensors: StateDict, read: Callable[[StateDict], ModelDescriptor] = MAIN_REGISTRY.load
) -> ModelDescriptor:
    """The net that these tensors are the weights of. Raises NetError."""
    try:
        return read(tensors)
    except UnsupportedModelError as error:
        raise NetError(
            f"{entry.path.name} has no known architecture of family {entry.family}; give the weights of the net alone, "
            "in the layout that its authors published"
        ) from error
    except Exception as error:  # each architecture has errors of its own for keys that are missing
        raise NetError(
            f"{entry.path.name} does not fit the architecture that its keys belong to, or is incomplete "
            f"({one_line(error)}); copy or download the complete file"
        ) from error
