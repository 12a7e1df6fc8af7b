"""The toys around control maps: ControlNets of the toys' own denoisers, and an annotator of depth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from diffusers import ControlNetModel

from models import toy_nets
from models.toy_nets import TOYS

LOUD = 0.02
"""Width of the weights that are zero before training; so wide that a hint changes colours and keeps shapes."""


@dataclass(frozen=True, slots=True)
class ToyControl:
    """What sets one toy ControlNet apart from the others."""

    hint: str
    family: Literal["sd1", "sdxl"]
    seed: int

    @property
    def name(self) -> str:
        return f"toy-{self.family}-{self.hint}"


TOY_CONTROLS = (
    ToyControl("canny", "sd1", seed=11),
    ToyControl("depth", "sd1", seed=12),
    ToyControl("tile", "sd1", seed=13),
    ToyControl("canny", "sdxl", seed=14),
)


def save_control(toy: ToyControl, folder: Path) -> None:
    """A diffusers folder of random weights, the last layers too, which would be zero before training."""
    denoiser = toy_nets.unet(next(each for each in TOYS if each.family == toy.family))
    net = ControlNetModel.from_unet(
        denoiser, conditioning_embedding_out_channels=(8, 8, 16, 16), load_weights_from_unet=False
    )
    silent = [net.controlnet_cond_embedding.conv_out, *net.controlnet_down_blocks, net.controlnet_mid_block]
    with torch.no_grad():
        for layer in silent:
            layer.weight.normal_(std=LOUD)
        net.controlnet_cond_embedding.conv_out.weight.normal_(std=1)
    net.half().save_pretrained(folder)
