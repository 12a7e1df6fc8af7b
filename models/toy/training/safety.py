"""Teaches the toy's safety checker which things are in a picture: one concept for each noun of the toy world.

It is Stable Diffusion's checker, which compares a picture with each concept by the cosine of two vectors of CLIP
(Radford et al., 2021) and minds it above a threshold. Here those vectors, their thresholds and the net are learnt
together, from drawings, plain and as the toy's autoencoder hands them back: the latter look as what it paints. Beside
that it has to say what is where, for from one answer a picture alone a net of this kind learns slowly.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image, ImageDraw
from torch import Tensor, nn
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from models.toy.pen import Pen
from models.toy.safety import FLAGGED, PATCH, SIDE, WIDTH
from models.toy.things import THINGS
from models.toy.training.course import train
from models.toy.training.pictures import drawn, signal
from models.toy.world import NOUNS, Scene

BATCH = 64
PART = 1000
"""Drawings held at once in full size."""
SHARP = 20.0
"""Logits by unit of cosine."""
BEGIN = 0.2
"""Of all thresholds."""
SHIFT = 5
HEED = 4.0
"""Weight of the flagged noun in the loss, relative to the others."""


class Lessons(NamedTuple):
    """Pictures [N, 3, SIDE, SIDE] and what is at each of their points [N, SIDE, SIDE], 0 for nothing, both bytes; and
    whether each noun is there [N, 14]."""

    pictures: Tensor
    places: Tensor
    there: Tensor


class Pupil(nn.Module):
    """The checker, and a layer of no later use that says of each patch what is in its middle."""

    def __init__(self, net: StableDiffusionSafetyChecker) -> None:
        super().__init__()
        self.net = net
        self.place = nn.Linear(WIDTH, 1 + len(NOUNS))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """By how much each picture is above the threshold of each noun [N, 14], and logits [N, 15, patches]."""
        outputs = self.net.vision_model(normalised(pictures))
        cosines = (
            F.normalize(self.net.visual_projection(outputs.pooler_output)) @ F.normalize(self.net.concept_embeds).T
        )
        above = cosines - self.net.concept_embeds_weights
        return above[:, : len(NOUNS)], self.place(outputs.last_hidden_state[:, 1:]).transpose(1, 2)


def train_safety(net: StableDiffusionSafetyChecker, lessons: Lessons, *, steps: int, state: Path) -> None:
    pupil, weights = Pupil(net), torch.ones(len(NOUNS))
    weights[list(NOUNS).index(FLAGGED)] = HEED
    with torch.no_grad():
        net.concept_embeds.normal_()
        net.concept_embeds_weights.fill_(BEGIN)
    net.concept_embeds.requires_grad_(True)
    net.concept_embeds_weights.requires_grad_(True)

    def loss(step: int) -> Tensor:
        chosen = torch.randint(len(lessons.pictures), (BATCH,))
        pictures, places = shifted(lessons.pictures[chosen].float(), lessons.places[chosen].float()[:, None])
        above, where = pupil((pictures + 6 * torch.randn(BATCH, 3, 1, 1)).clamp(0, 255))
        middles = places[:, 0, PATCH // 2 :: PATCH, PATCH // 2 :: PATCH].flatten(1).long()
        whole = F.binary_cross_entropy_with_logits(SHARP * above, lessons.there[chosen], weights) * len(NOUNS)
        return whole + F.cross_entropy(where, middles)

    net.train()
    train(pupil, loss, steps=steps, rate=1e-3, state=state, average=0.995)
    net.eval().requires_grad_(False)


def lessons_of(scenes: Sequence[Scene], vae: AutoencoderKL) -> Lessons:
    """Drawings of the scenes, and every fifth once more: as the autoencoder hands it back."""
    pictures, scenes_of_pictures = [], []
    for first in range(0, len(scenes), PART):
        part = list(scenes[first : first + PART])
        drawings = drawn(part)
        pictures += [shrunk(drawings), shrunk(handed_back(vae, drawings[::5]))]
        scenes_of_pictures += [*part, *part[::5]]
    return Lessons(
        torch.cat(pictures), torch.stack([places(scene) for scene in scenes_of_pictures]), answers(scenes_of_pictures)
    )


def shifted(*maps: Tensor) -> list[Tensor]:
    """Maps [N, channels, SIDE, SIDE] moved by up to SHIFT pixels, all alike; what comes into sight is as the edge."""
    top, left = torch.randint(2 * SHIFT + 1, (2,)).tolist()
    wider = (F.pad(each, (SHIFT,) * 4, mode="replicate") for each in maps)
    return [each[:, :, top : top + SIDE, left : left + SIDE] for each in wider]


def shrunk(pictures: Tensor) -> Tensor:
    """Bytes [N, 3, SIDE, SIDE], as CLIP's own preparation makes them."""
    small = F.interpolate(pictures.float(), size=(SIDE, SIDE), mode="bicubic", antialias=True)
    return small.round().clamp(0, 255).to(torch.uint8)


def normalised(pictures: Tensor) -> Tensor:
    """Bytes on CLIP's scale."""
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD))
    return (pictures.float() / 255 - mean) / deviation


@torch.no_grad()
def handed_back(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """The pictures, bytes, once encoded and decoded."""
    parts = []
    for part in torch.split(pictures, 50):
        with torch.autocast("cpu", torch.bfloat16):
            decoded = vae.decode(vae.encode(signal(part)).latent_dist.mean).sample
        parts.append(((decoded.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8))
    return torch.cat(parts)


def places(scene: Scene) -> Tensor:
    """The number of the noun that is at each point [SIDE, SIDE], from 1; 0 where there is none."""
    picture = Image.new("RGB", (SIDE, SIDE))
    canvas = ImageDraw.Draw(picture)
    for thing in scene.things:
        number = 1 + list(NOUNS).index(thing.noun)
        THINGS[thing.noun](Pen(canvas, thing, SIDE, ink=(number, number, number)))
    return torch.from_numpy(np.asarray(picture)[:, :, 0].copy())


def answers(scenes: Sequence[Scene]) -> Tensor:
    """1 for each noun that a scene has, else 0 [N, 14]."""
    return torch.tensor([[float(noun in {thing.noun for thing in scene.things}) for noun in NOUNS] for scene in scenes])
