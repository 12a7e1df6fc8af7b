"""What is painted: the same pictures by every side of a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.commands.bench.plan import PAINTER, Plan

if TYPE_CHECKING:
    import numpy as np

PROMPT = "a lighthouse on a cliff, evening light, number {}"
NEGATIVE = "fog, blurry"
GUIDANCE = 7.5
STRENGTH = 0.8
USUAL = (512, 512, 20)
BESIDE = ((0.20, (512, 768, 25), False), (0.10, (768, 768, 30), False), (0.10, USUAL, True))
"""Shares of a crowd that are not the usual picture, their sizes and steps, and whether they start from a picture."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One picture. `picture` is what it starts from, or, with `control`, the finished map that it follows."""

    width: int
    height: int
    steps: int
    seed: int
    model: str = PAINTER
    picture: np.ndarray | None = None
    control: bool = False

    @property
    def text(self) -> str:
        return PROMPT.format(self.seed)


def equal(plan: Plan, count: int) -> list[Workload]:
    """So many of 512×512 at 20 steps."""
    return [Workload(*plan.size(*USUAL), seed) for seed in range(count)]


def mixed(plan: Plan) -> list[Workload]:
    """A crowd as people are: sizes, steps and task types in the shares of `BESIDE`, and usual pictures for the rest."""
    others = [
        (*plan.size(*size), from_picture)
        for share, size, from_picture in BESIDE
        for _ in range(max(round(share * plan.crowd), 1))
    ]
    usual = (*plan.size(*USUAL), False)
    every = [*[usual] * (plan.crowd - len(others)), *others]
    return [
        Workload(width, height, steps, seed, picture=smooth_noise(width, height) if from_picture else None)
        for seed, (width, height, steps, from_picture) in enumerate(every)
    ]


def smooth_noise(width: int, height: int) -> np.ndarray:
    """A picture of soft colours: uint8 [height, width, 3]."""
    import numpy as np
    from PIL import Image

    coarse = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def outlines(width: int, height: int) -> np.ndarray:
    """A map of edges, white on black: uint8 [height, width, 3]."""
    import numpy as np

    lines = np.zeros((height, width, 3), np.uint8)
    lines[:: height // 4] = lines[:, :: width // 4] = 255
    return lines
