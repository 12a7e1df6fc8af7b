"""Circular convolutions, for images that tile: the left edge continues at the right one, and the top at the bottom."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.downsampling import Downsample2D
from torch import Tensor, nn

from models.patches.patch import DenoiserInputs, DenoiserPatch, PatchedRows


@dataclass(frozen=True, slots=True)
class CircularPadding(DenoiserPatch):
    """The denoiser's part of `Denoise.circular`. ControlNets and the autoencoder call `circular_padding` themselves."""

    @property
    def batch_key(self) -> Hashable:
        return ()

    def apply(self, unet: Any, rows: PatchedRows, inputs: DenoiserInputs) -> AbstractContextManager[None]:
        return circular_padding(unet, True)


@contextmanager
def circular_padding(net: nn.Module, circular: bool) -> Iterator[None]:
    """If `circular`, every convolution in `net` pads with the opposite edge instead of zeros within this block.

    The net is restored at the end, also after an exception. One thread at a time.
    """
    if not circular:
        yield
        return
    convolutions = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    modes = [convolution.padding_mode for convolution in convolutions]
    hooks = [
        module.conv.register_forward_pre_hook(_wrap_end)
        for module in net.modules()
        if isinstance(module, Downsample2D) and isinstance(module.conv, nn.Conv2d) and module.padding == 0
    ]
    try:
        for convolution in convolutions:
            convolution.padding_mode = "circular"
        yield
    finally:
        for convolution, mode in zip(convolutions, modes, strict=True):
            convolution.padding_mode = mode
        for hook in hooks:
            hook.remove()


def _wrap_end(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The encoder's downsampling appends a row and a column of zeros before a convolution without padding."""
    padded = inputs[0].clone(memory_format=torch.preserve_format)
    padded[..., -1, :] = padded[..., 0, :]
    padded[..., :, -1] = padded[..., :, 0]
    return (padded,)
