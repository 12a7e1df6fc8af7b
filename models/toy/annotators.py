"""Toy annotators: the nets of controlnet_aux, with weights that are random or set by hand."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

POSE_WIDTH = 4
"""Channels of the layers of the toy pose net; those of OpenPose have 64 to 512."""
POSE_WIDTHS = {3: 3, 19: 19, 38: 38, 185: 19 + 38 + POSE_WIDTH}
"""Channels of OpenPose that are not hidden: the picture, the maps of joints and limbs, both with the features."""
HALF_LINE = 12.0
"""Half the length of a line at the strongest edges, in pixels of the net's map."""
CEILING = 6.0
"""The highest value behind the net's first layers, which end with ReLU6."""
LINE_GAIN, EDGE_GAIN = 1.5, 12.0
"""Factors of the edges that M-LSD gets of pixels from -1 to 1, and PidiNet of those from about -2 to 2."""
HEAT, START_X, START_Y, END_X, END_Y = 7, 8, 9, 10, 11
"""Channels of M-LSD's output: whether a line has its middle here, and how far away its ends are."""


def soft_edges() -> dict[str, Tensor]:
    """PidiNet, set by hand: the strength of the edges that its first layer measures. Its authors' keys begin with
    `module.`."""
    net = _import_aux("pidi").pidinet()
    _silence(net)
    with torch.no_grad():
        net.init_block.weight[:4] = _edge_filters()
        net.dilations[0].conv1.weight[0, :4] = 1
        net.dilations[0].conv2_1.weight[0, 0, 1, 1] = 1
        net.conv_reduces[0].conv.weight[0, 0] = 2  # the attention of zeros halves everything
        net.classifier.weight[0, 0] = EDGE_GAIN
        net.classifier.bias.fill_(-3)
    return {f"module.{name}": tensor for name, tensor in _state(net).items()}


def line_drawing() -> dict[str, Tensor]:
    """The generator of line drawings, of random weights."""
    return _state(_import_aux("lineart").Generator(3, 1, 3))


def pose() -> dict[str, Tensor]:
    """OpenPose's body net with few channels, of zeros: it detects no people."""
    with torch.device("meta"):
        full = _import_aux("open_pose").body.bodypose_model().state_dict()
    narrow = {name: [POSE_WIDTHS.get(width, POSE_WIDTH) for width in full[name].shape[:2]] for name in full}
    return {name.split(".", 1)[1]: torch.zeros(*narrow[name], *full[name].shape[2:]).half() for name in full}


def straight_lines() -> dict[str, Tensor]:
    """M-LSD, set by hand: a short line along each upright or level edge. The first layers measure the edges, the last
    one draws lines, and the layers between pass two channels on."""
    net = _import_aux("mlsd").MobileV2_MLSD_Large()
    _silence(net)
    first, second = net.backbone.features[0], net.backbone.features[1].conv
    with torch.no_grad():
        first[0].weight[:4, :3] = LINE_GAIN * _edge_filters()
        # The fourth channel is -1 in the picture and 0 in the padding to its right and below, which must be no edge.
        first[0].weight[:4, 3, 1, 1] = 20
        first[0].weight[:2, 3, 1, 2] = first[0].weight[2:4, 3, 2, 1] = -20
        second[0][0].weight[:4, 0, 1, 1] = 1
        second[1].weight[:2, :4, 0, 0] = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1]])
        for layer in (net.block21.conv2, net.block22.conv2, net.block23.conv1, net.block23.conv2):
            middle = layer[0].kernel_size[0] // 2
            layer[0].weight[:2, :2, middle, middle] = torch.eye(2)
        net.block23.conv1[0].weight[[0, 1], [1, 0], 1, 1] = -1  # slanting edges cancel
        last, length = net.block23.conv3, HALF_LINE / CEILING
        last.bias[HEAT] = -8
        last.weight[HEAT, :2, 0, 0] = 2
        last.weight[[START_Y, END_Y], 0, 0, 0] = torch.tensor([-length, length])
        last.weight[[START_X, END_X], 1, 0, 0] = torch.tensor([-length, length])
    return _state(net)


TOY_ANNOTATORS: Mapping[str, Callable[[], dict[str, Tensor]]] = {
    "toy-softedge.safetensors": soft_edges,
    "toy-lineart.safetensors": line_drawing,
    "toy-pose.safetensors": pose,
    "toy-mlsd.safetensors": straight_lines,
}


def _edge_filters() -> Tensor:
    """[4, 3, 3, 3]: how much brighter it becomes to the right, to the left, downwards and upwards (Sobel)."""
    across = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 3
    return torch.stack([across, -across, across.T, -across.T])[:, None].repeat(1, 3, 1, 1)


def _silence(net: nn.Module) -> None:
    """Sets all weights of convolutions to zero."""
    for layer in net.modules():
        if not isinstance(layer, nn.BatchNorm2d):
            for parameter in layer.parameters(recurse=False):
                nn.init.zeros_(parameter)


def _import_aux(module: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(f"controlnet_aux.{module}")


def _state(net: nn.Module) -> dict[str, Tensor]:
    """In half precision."""
    return {name: value.half() if value.is_floating_point() else value for name, value in net.state_dict().items()}
