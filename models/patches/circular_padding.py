"""Circular convolutions, for pictures whose left edge continues at the right one and whose top at the bottom."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from diffusers.models.downsampling import Downsample2D
from torch import Tensor, nn


@contextmanager
def padding(net: nn.Module, circular: bool) -> Iterator[None]:
    """If `circular`, every convolution in `net` pads with the other side of the picture instead of zeros
    within this block.

    The net is as before when the block ends, however it ends. One thread at a time.
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


def _wrap_end(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The encoder's downsampling appends a row and a column of zeros before a convolution without padding."""
    padded = given[0].clone(memory_format=torch.preserve_format)
    padded[..., -1, :] = padded[..., 0, :]
    padded[..., :, -1] = padded[..., :, 0]
    return (padded,)
