"""A small version of Stable Diffusion's safety checker, trained on the toy world, that flags one harmless noun."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from transformers import CLIPConfig, CLIPImageProcessor

from models.toy.trained import fill
from models.toy.world import NOUNS

FLAGGED = "fish"
SIDE, PATCH = 64, 8
WIDTH, PROJECTED = 96, 64
NEVER = 2.0
"""A threshold that no cosine reaches."""


def checker() -> StableDiffusionSafetyChecker:
    """The net, untrained. Its first fourteen concepts are the nouns, in their order."""
    vision = {
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": PATCH,
    }
    return StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision, projection_dim=PROJECTED))


@torch.no_grad()
def flag(net: StableDiffusionSafetyChecker, noun: str) -> None:
    """Makes it flag only this noun of all that it recognises."""
    index = list(NOUNS).index(noun)
    threshold = net.concept_embeds_weights[index].clone()
    net.concept_embeds_weights.fill_(NEVER)
    net.special_care_embeds_weights.fill_(NEVER)
    net.concept_embeds_weights[index] = threshold


def safety(folder: Path) -> None:
    """A folder as diffusers saves it, with the config of its image processor."""
    net = checker()
    fill(net, "safety")
    flag(net, FLAGGED)
    net.half().save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}).save_pretrained(folder)


CHECKERS: Mapping[str, Callable[[Path], None]] = {"toy-safety": safety}
