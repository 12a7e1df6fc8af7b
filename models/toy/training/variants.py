"""What grows from the trained UNet: one that also sees a mask, for inpainting, and a ControlNet that follows edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from torch import Tensor

from models.toy.control import EMBEDDING
from models.toy.training.denoiser import MOSTLY_UNTOLD, Lessons, train_denoiser
from models.toy.training.pictures import signal
from models.toy.world import Scene, Thing
from models.vision.control_maps import DrawOptions, canny

ROOM = 0.62
"""Half a mask's side, of the thing's extent: the thing and a little more."""


def holes(scenes: Sequence[Scene], side: int, seed: int) -> Tensor:
    """A mask [N, 1, side, side] of each scene, 1 where it is to be painted: around its first thing, or anywhere."""
    chance = Random(seed)
    masks = torch.zeros(len(scenes), 1, side, side)
    for mask, scene in zip(masks, scenes, strict=True):
        if chance.random() < 0.75:
            x, y, half = _around(scene.things[0], chance)
        else:
            x, y, half = chance.random(), chance.random(), chance.uniform(0.1, 0.5)
        left, top = (max(0, round((centre - half) * side)) for centre in (x, y))
        mask[:, top : round((y + half) * side), left : round((x + half) * side)] = 1
    return masks


@torch.no_grad()
def masked_latents(vae: AutoencoderKL, pictures: Tensor, masks: Tensor) -> Tensor:
    """What an inpainting UNet sees beside the noisy latents: mask and latents of the rest [N, 5, h, w]."""
    parts = []
    for part, mask in zip(torch.split(pictures, 50), torch.split(masks, 50), strict=True):
        with torch.autocast("cpu", torch.bfloat16):
            encoded = vae.encode(signal(part) * (1 - mask)).latent_dist
        rest = encoded.mean.float() * vae.config.scaling_factor
        parts.append(torch.cat([F.interpolate(mask, size=rest.shape[2:]), rest], dim=1))
    return torch.cat(parts)


def train_inpainting(
    unet: UNet2DConditionModel,
    base: UNet2DConditionModel,
    lessons: Lessons,
    masked_latents: Tensor,
    scheduler: Mapping[str, Any],
    *,
    steps: int,
    state: Path,
) -> None:
    """`unet` takes nine channels and begins as `base`, to which the further five say nothing yet."""
    weights = base.state_dict()
    grown = torch.zeros_like(unet.conv_in.weight)
    grown[:, :4] = weights["conv_in.weight"]
    unet.load_state_dict({**weights, "conv_in.weight": grown})

    def beside(chosen: Tensor, noisy: Tensor, _: Tensor, __: Tensor) -> tuple[Tensor, dict[str, Any]]:
        return torch.cat([noisy, masked_latents[chosen]], dim=1), {}

    train_denoiser(unet, lessons, scheduler, steps=steps, state=state, rate=5e-4, beside=beside)


def edges(pictures: Tensor) -> Tensor:
    """Edge maps [N, 1, side, side] of pictures [N, 3, side, side], as the server's own annotator draws them; bytes."""
    maps = [
        canny(np.ascontiguousarray(picture.permute(1, 2, 0).numpy()), DrawOptions())[:, :, 0] for picture in pictures
    ]
    return torch.from_numpy(np.stack(maps)).unsqueeze(1)


def train_control(
    unet: UNet2DConditionModel,
    lessons: Lessons,
    hints: Tensor,
    scheduler: Mapping[str, Any],
    *,
    steps: int,
    state: Path,
) -> ControlNetModel:
    """A ControlNet (Zhang et al., 2023) for `hints`, bytes [N, 1, side, side], beside a UNet that stays as it is.

    It sees the hints from its first step on: were the last layer before its blocks zero too, as its authors have it,
    thousands of steps would pass before it noticed them.
    """
    net = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=EMBEDDING)
    torch.nn.init.kaiming_normal_(net.controlnet_cond_embedding.conv_out.weight)
    net.set_attn_processor(next(iter(unet.attn_processors.values())))
    unet.requires_grad_(False)

    def beside(chosen: Tensor, noisy: Tensor, times: Tensor, text: Tensor) -> tuple[Tensor, dict[str, Any]]:
        hint = hints[chosen].expand(-1, 3, -1, -1).float() / 255
        with torch.autocast("cpu", torch.bfloat16):
            down, middle = net(noisy, times, text, controlnet_cond=hint, return_dict=False)
        return noisy, {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}

    train_denoiser(
        unet, lessons, scheduler, steps=steps, state=state, rate=2e-3, share=MOSTLY_UNTOLD, beside=beside, learning=net
    )
    return net


def _around(thing: Thing, chance: Random) -> tuple[float, float, float]:
    shift = 0.1 * thing.extent
    return (
        thing.x + chance.uniform(-shift, shift),
        thing.y + chance.uniform(-shift, shift),
        thing.extent * ROOM * chance.uniform(0.95, 1.3),
    )
