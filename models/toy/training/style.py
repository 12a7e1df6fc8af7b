"""A LoRA of a style that no caption names: strokes of light in the dark (Hu et al., LoRA, 2021).

A copy of the UNet learns the style; what its layers changed by is then written as a product of two narrow matrices, the
closest there is of that rank (Eckart & Young, 1936).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from models.toy.training.denoiser import Lessons, train_denoiser
from models.toy.world import Scene, scene_of

RANK = 8
CHANGED = ("to_q", "to_k", "to_v", "to_out.0", "conv1", "conv2")


def neon(count: int, seed: int) -> list[Scene]:
    """Scenes whose things shine in the dark; none is black, for that would not show."""
    chance = Random(seed)
    scenes: list[Scene] = []
    while len(scenes) < count:
        scene = scene_of(chance)
        if all(thing.colour != "black" for thing in scene.things):
            scenes.append(replace(scene, style="neon"))
    return scenes


def train_style(
    unet: UNet2DConditionModel, lessons: Lessons, scheduler: Mapping[str, Any], *, steps: int, state: Path
) -> dict[str, Tensor]:
    """The LoRA's weights, in kohya's lay-out; `unet` is left as it was."""
    learning = deepcopy(unet)
    for path, layer in learning.named_modules():
        if path.endswith(CHANGED):
            layer.requires_grad_(True)
    train_denoiser(learning, lessons, scheduler, steps=steps, state=state, rate=1e-3)
    weights: dict[str, Tensor] = {}
    for path, _ in learning.named_modules():
        if path.endswith(CHANGED):
            before, after = (net.get_parameter(f"{path}.weight") for net in (unet, learning))
            weights |= narrowed(f"lora_unet_{path.replace('.', '_')}", (after - before).detach())
    return weights


def narrowed(name: str, change: Tensor) -> dict[str, Tensor]:
    """A change of weights [out, in, …] as the product of `up` [out, RANK, …] and `down` [RANK, in, …]."""
    left, strengths, right = torch.linalg.svd(change.flatten(1), full_matrices=False)
    rank = min(RANK, len(strengths))
    root = strengths[:rank].sqrt()
    up = (left[:, :rank] * root).reshape(len(change), rank, *[1] * (change.ndim - 2))
    down = (root[:, None] * right[:rank]).reshape(rank, *change.shape[1:])
    return {
        f"{name}.lora_down.weight": down,
        f"{name}.lora_up.weight": up,
        f"{name}.alpha": torch.tensor(float(rank)),
    }
