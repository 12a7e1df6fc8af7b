"""LoRAs beside the weights: layers add what the LoRAs of each row change, so that rows may have different LoRAs.

The weights stay as they are. All LoRAs of one task are one set, packed as one vector; a batch has a few sets, and each
row the number of its own. Set 0 is zeros, for rows without LoRAs.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from models.adapters.lora_additions import Addition, Tensors
from models.adapters.lora_packing import Layout
from models.patches.cross_attention_cache import text_layers
from models.patches.patch import DenoiserInputs, DenoiserPatch, PatchedRows

SETS, OF_ROWS = "sets", "set_of_rows"
"""Tensors of a batch: the packed sets [sets, numbers], and the set of each row, int64 [rows]."""


@contextmanager
def beside(
    net: nn.Module, layout: Layout, sets: Tensor, rows: Tensor | None, without: Iterable[nn.Module] = ()
) -> Iterator[None]:
    """Within this block the modules of `net` make their additions to their outputs.

    sets: packed, [sets, numbers].
    rows: the set of each row of the inputs, int64 [rows]; None: set 0 is that of all rows.
    without: modules that stay as they are.
    """
    left_out = set(without)
    with ExitStack() as hooks:
        for addition, tensors in layout.unpack(sets):
            module = net.get_submodule(addition.path)
            if module not in left_out:
                handle = module.register_forward_hook(_Add(addition, tensors, rows))
                hooks.callback(handle.remove)
        yield


@dataclass(frozen=True, slots=True)
class LorasBeside(DenoiserPatch):
    """The LoRAs of a batch whose tasks have different ones. The engine makes it; no task asks for it."""

    layout: Layout

    @property
    def batch_key(self) -> Hashable:
        return self.layout

    @contextmanager
    def apply(self, unet: Any, rows: PatchedRows, inputs: DenoiserInputs) -> Iterator[None]:
        """Cached keys and values of the text have their additions already."""
        layers = text_layers(unet) if inputs.conditioning.cached_kv else []
        without = [projection for layer in layers for projection in (layer.to_k, layer.to_v)]
        with beside(unet, self.layout, rows.tensors[SETS], rows.tensors[OF_ROWS], without):
            yield


@dataclass(frozen=True, slots=True)
class _Add:
    """A hook of a module."""

    addition: Addition
    tensors: Tensors
    rows: Tensor | None

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        return output + self.addition.compute(module, inputs[0], self.tensors, self.rows)
