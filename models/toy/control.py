"""Toys for control maps: ControlNets for the toy denoisers, and a depth annotator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from diffusers import ControlNetModel
from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessor

from models.toy import nets
from models.toy.nets import TOYS
from models.toy.trained import fill

EMBEDDING = (8, 8, 16, 32)
"""Channels of the layers that reduce a control map to the size of the latents."""
LOUD = 0.02
"""Spread of the weights that are zero before training: a control map then changes colours and keeps shapes."""


def save_canny(folder: Path) -> None:
    """A diffusers folder: the ControlNet that `training` trained to follow edges."""
    net = ControlNetModel.from_unet(
        nets.unet(TOYS[0]), conditioning_embedding_out_channels=EMBEDDING, load_weights_from_unet=False
    )
    fill(net, "canny")
    net.half().save_pretrained(folder)


def save_control(family: str, folder: Path) -> None:
    """A diffusers folder of random weights. The last layers are random, too; before training they would be zero."""
    denoiser = nets.unet(next(each for each in TOYS if each.family == family))
    net = ControlNetModel.from_unet(
        denoiser, conditioning_embedding_out_channels=(8, 8, 16, 16), load_weights_from_unet=False
    )
    silent = [net.controlnet_cond_embedding.conv_out, *net.controlnet_down_blocks, net.controlnet_mid_block]
    with torch.no_grad():
        for layer in silent:
            layer.weight.normal_(std=LOUD)
        net.controlnet_cond_embedding.conv_out.weight.normal_(std=1)
    net.half().save_pretrained(folder)


def save_depth(folder: Path) -> None:
    """A DPT of random weights. Its last layer is scaled so that its maps show shapes."""
    config = DPTConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=64,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        reassemble_factors=[4, 2, 1, 0.5],
    )
    net = DPTForDepthEstimation(config)
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=0.2)
        net.head.head[-2].bias.fill_(10)  # above the ReLU that follows
    net.save_pretrained(folder)
    DPTImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)


TOY_GUIDES: Mapping[str, tuple[int, Callable[[Path], None]]] = {
    "toy-sd1-canny": (11, save_canny),
    "toy-sd1-depth": (12, partial(save_control, "sd1")),
    "toy-sd1-tile": (13, partial(save_control, "sd1")),
    "toy-sdxl-canny": (14, partial(save_control, "sdxl")),
    "toy-depth": (15, save_depth),
}
"""Seed and maker of each folder."""
