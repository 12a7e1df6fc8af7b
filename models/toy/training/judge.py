"""A small classifier that says what is in a picture: the judge of what the toy's painter was asked for.

It learns from drawings of its own, of all pairs of colour and noun, and is told of by its accuracy on others.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.toy.training.course import train
from models.toy.training.pictures import signal
from models.toy.world import COLOURS, NOUNS, Scene, scene_of

BATCH = 48


class Judge(nn.Module):
    """Pictures [N, 3, 128, 128] → logits of the noun [N, 14] and of the colour [N, 10] of the thing in it."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.AvgPool2d(2)]
        in_channels = 3
        for out_channels in (width, 2 * width, 3 * width, 4 * width):
            layers += [
                nn.Conv2d(in_channels, out_channels, 3, padding=1),
                nn.BatchNorm2d(out_channels),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
            in_channels = out_channels
        self.see = nn.Sequential(*layers, nn.Flatten(), nn.Linear(in_channels * 16, 128), nn.ReLU())
        self.noun, self.colour = nn.Linear(128, len(NOUNS)), nn.Linear(128, len(COLOURS))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        features = self.see(signal(pictures))
        return self.noun(features), self.colour(features)


def train_judge(judge: Judge, pictures: Tensor, scenes: Sequence[Scene], *, steps: int, state: Path) -> None:
    nouns, colours = answers(scenes)

    def loss(step: int) -> Tensor:
        chosen = torch.randint(len(pictures), (BATCH,))
        noisy = (pictures[chosen].float() + 6 * torch.randn(BATCH, 3, 1, 1)).clamp(0, 255)
        noun, colour = judge(noisy)
        return F.cross_entropy(noun, nouns[chosen]) + F.cross_entropy(colour, colours[chosen])

    judge.train()
    train(judge, loss, steps=steps, rate=2e-3, state=state, average=0.9)
    judge.eval().requires_grad_(False)


def scenes(count: int, seed: int) -> list[Scene]:
    """Scenes of one thing, filled, of all pairs of colour and noun, those held out from the painters too."""
    chance = Random(seed)
    scenes = (scene_of(chance, held_out=number % 10 == 0, alone=True) for number in itertools.count())
    return list(itertools.islice((scene for scene in scenes if scene.style == "flat"), count))


def answers(scenes: Sequence[Scene]) -> tuple[Tensor, Tensor]:
    """The numbers of noun and colour of each scene's first thing."""
    nouns = [list(NOUNS).index(scene.things[0].noun) for scene in scenes]
    return torch.tensor(nouns), torch.tensor([list(COLOURS).index(scene.things[0].colour) for scene in scenes])


@torch.no_grad()
def verdict(judge: Judge, pictures: Tensor, scenes: Sequence[Scene]) -> tuple[float, float]:
    """Shares of `pictures`, bytes, whose noun and whose colour are what the scenes say."""
    noun, colour = judge(pictures)
    nouns, colours = answers(scenes)
    return float((noun.argmax(1) == nouns).float().mean()), float((colour.argmax(1) == colours).float().mean())
