"""Trains a LoRA of a style that no caption names: strokes of light in the dark (Hu et al., LoRA, 2021)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from models.toy.training.denoiser import Lessons, train_denoiser
from models.toy.world import Scene, scene_of

RANK = 8
CHANGED = ("to_q", "to_k", "to_v", "to_out.0", "conv1", "conv2", "proj_in", "proj_out")


def neon(count: int, seed: int) -> list[Scene]:
    """Scenes whose things shine in the dark; none is black, for that would not show."""
    chance = Random(seed)
    scenes: list[Scene] = []
    while len(scenes) < count:
        scene = scene_of(chance)
        if all(thing.colour != "black" for thing in scene.things):
            scenes.append(replace(scene, style="neon"))
    return scenes


class Update(nn.Module):
    """What a LoRA adds to one layer: `up` of `down`, as wide as RANK in between; nothing at first."""

    def __init__(self, layer: nn.Linear | nn.Conv2d) -> None:
        super().__init__()
        self.down: nn.Linear | nn.Conv2d
        self.up: nn.Linear | nn.Conv2d
        if isinstance(layer, nn.Conv2d):
            side = layer.kernel_size[0]
            self.down = nn.Conv2d(layer.in_channels, RANK, side, layer.stride[0], side // 2, bias=False)
            self.up = nn.Conv2d(RANK, layer.out_channels, 1, bias=False)
        else:
            self.down = nn.Linear(layer.in_features, RANK, bias=False)
            self.up = nn.Linear(RANK, layer.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, given: Tensor) -> Tensor:
        added: Tensor = self.up(self.down(given))
        return added


def train_style(
    unet: UNet2DConditionModel, lessons: Lessons, scheduler: Mapping[str, Any], *, steps: int, state: Path
) -> dict[str, Tensor]:
    """The LoRA's weights, in kohya's lay-out; `unet` is left as it was."""
    unet.requires_grad_(False)
    layers = {path: layer for path, layer in unet.named_modules() if path.endswith(CHANGED)}
    updates = {path.replace(".", "_"): Update(layer) for path, layer in layers.items()}
    hooks = [layer.register_forward_hook(adding(updates[path.replace(".", "_")])) for path, layer in layers.items()]
    try:
        train_denoiser(unet, lessons, scheduler, steps=steps, state=state, rate=2e-3, learning=nn.ModuleDict(updates))
    finally:
        for hook in hooks:
            hook.remove()
    weights: dict[str, Tensor] = {}
    for name, update in updates.items():
        weights[f"lora_unet_{name}.lora_down.weight"] = update.down.weight.detach().half()
        weights[f"lora_unet_{name}.lora_up.weight"] = update.up.weight.detach().half()
        weights[f"lora_unet_{name}.alpha"] = torch.tensor(float(RANK))
    return weights


def adding(update: nn.Module) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
    """A forward hook that adds `update` of what a layer is given to what it makes."""
    return lambda _, given, made: made + update(given[0])
