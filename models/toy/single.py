"""Toys of one net each, in the layouts of their authors: a Real-ESRGAN ×4 and a random LaMa."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from models.toy.trained import weights
from models.vision.lama import LaMa

FEATURES = 16
GROWTH = 32
"""Real-ESRGAN of any width has this many channels between its dense layers."""
BLOCKS = 2
FAINT = 0.02
LOUD = 50
POINT = torch.zeros(3, 3).index_put((torch.tensor(1), torch.tensor(1)), torch.tensor(1.0))
SOFT = torch.outer(torch.tensor([1.0, 2.0, 1.0]), torch.tensor([1.0, 2.0, 1.0])) / 16
COLOURS = {
    "conv_first": POINT,
    "conv_body": 0 * POINT,
    "conv_up1": SOFT,
    "conv_up2": SOFT,
    "conv_hr": POINT,
    "conv_last": POINT,
}
"""What each convolution does to the first three channels; the others get a small weight."""


def enlarging_softly() -> dict[str, Tensor]:
    """Initial weights for training: softened nearest-neighbour enlarging with a weak random texture."""
    weights = _convolution("conv_first", 3, FEATURES) | _convolution("conv_body", FEATURES, FEATURES)
    for block in range(BLOCKS):
        for dense in (1, 2, 3):
            for layer in range(5):
                out_channels = FEATURES if layer == 4 else GROWTH
                name = f"body.{block}.rdb{dense}.conv{layer + 1}"
                weights |= _convolution(name, FEATURES + layer * GROWTH, out_channels)
    for name, out_channels in (("conv_up1", FEATURES), ("conv_up2", FEATURES), ("conv_hr", FEATURES), ("conv_last", 3)):
        weights |= _convolution(name, FEATURES, out_channels)
    for name, kernel in COLOURS.items():
        for colour in range(3):
            weights[f"{name}.weight"][colour] *= FAINT
            weights[f"{name}.weight"][colour, colour] += kernel
    return {name: tensor.half() for name, tensor in weights.items()}


def lama() -> dict[str, Tensor]:
    """Random weights; the last ones are large enough for a fill to depend on its surroundings."""
    net = LaMa(channels=3, width=8, blocks=2)
    net.model.model[-2].weight.data *= LOUD
    return {f"generator.{name.removeprefix('model.')}": tensor for name, tensor in net.state_dict().items()}


SINGLE_NETS: Mapping[str, Callable[[], dict[str, Tensor]]] = {
    "toy-esrgan.safetensors": lambda: weights("esrgan"),
    "toy-lama.safetensors": lama,
}


def _convolution(name: str, in_channels: int, out_channels: int) -> dict[str, Tensor]:
    weight = torch.randn(out_channels, in_channels, 3, 3) / (3 * in_channels**0.5)
    return {f"{name}.weight": weight, f"{name}.bias": torch.zeros(out_channels)}
