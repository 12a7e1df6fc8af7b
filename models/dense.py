"""Dense blocks without concatenation: each layer writes beside what the layers before it wrote, where the next reads.

A dense block (Huang et al. 2017; in Real-ESRGAN, Wang et al. 2021) shows every convolution what all before it made.
Taken literally, that copies each feature map once for every layer that follows. Here they lie side by side from the
start.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from spandrel.architectures.__arch_helpers.block import ResidualDenseBlock_5C
from torch import Tensor, nn

LAYERS = 4
SHARE = 0.2
"""Of what a block adds to its input."""


def without_concatenation(net: nn.Module) -> int:
    """Lets the dense blocks of a net run on one buffer each; answers how many there were. Their numbers stay the same,
    bit for bit; what is spared is spared for one picture at a time. Blocks with anything more to them than convolutions
    and leaky rectifiers run as they are."""
    blocks = [module for module in net.modules() if isinstance(module, ResidualDenseBlock_5C)]
    plain = [block for block in blocks if _is_plain(block)]
    for block in plain:
        block.forward = partial(_forward, block)
    return len(plain)


def _is_plain(block: ResidualDenseBlock_5C) -> bool:
    def kinds(layer: nn.Module) -> list[type[nn.Module]]:
        return [type(part) for part in (layer if isinstance(layer, nn.Sequential) else [layer])]

    convolutions = [kinds(layer) for layer in _layers(block)]
    return block.conv1x1 is None and convolutions == [[nn.Conv2d, nn.LeakyReLU]] * LAYERS + [[nn.Conv2d]]


def _layers(block: ResidualDenseBlock_5C) -> list[Any]:
    return [block.conv1, block.conv2, block.conv3, block.conv4, block.conv5]


def _forward(block: ResidualDenseBlock_5C, given: Tensor) -> Tensor:
    """[rows, channels, h, w] as given."""
    *growing, last = _layers(block)
    rows, width, *size = given.shape
    room = given.new_empty([rows, width + sum(layer[0].out_channels for layer in growing), *size])
    room[:, :width] = given
    for convolution, rectifier in growing:
        made = convolution(_first(room, width))
        beside = room[:, width : width + made.shape[1]]
        torch.ops.aten.leaky_relu.out(made, rectifier.negative_slope, out=beside)
        width += made.shape[1]
    added: Tensor = last(room)
    return added.mul_(SHARE).add_(given)


def _first(room: Tensor, channels: int) -> Tensor:
    """The first channels, laid as if there were no others, so that the same kernels run on them: of one picture without
    a copy, of several with the one that concatenating them would have made."""
    return room[0, :channels][None] if len(room) == 1 else room[:, :channels].contiguous()
