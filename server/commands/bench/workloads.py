"""The workloads of a comparison: every side generates the same images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.commands.bench.plan import MAIN, Plan

if TYPE_CHECKING:
    import numpy as np

PROMPT = "a lighthouse on a cliff, evening light, number {}"
NEGATIVE = "fog, blurry"
GUIDANCE = 7.5
STRENGTH = 0.8
USUAL = (512, 512, 20)
OTHERS = ((0.20, (512, 768, 25), False), (0.10, (768, 768, 30), False), (0.10, USUAL, True))
"""Fractions of a crowd that are not the usual task, their size and steps, and whether they start from an image."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One image to generate."""

    width: int
    height: int
    steps: int
    seed: int
    model: str = MAIN
    source: np.ndarray | None = None
    """The image to start from, or with `control` the finished map to follow: uint8 [height, width, 3]."""
    control: bool = False

    @property
    def text(self) -> str:
        return PROMPT.format(self.seed)


def equal_workloads(plan: Plan, count: int) -> list[Workload]:
    """`count` tasks of 512×512 at 20 steps."""
    return [Workload(*plan.size(*USUAL), seed) for seed in range(count)]


def mixed_workloads(plan: Plan) -> list[Workload]:
    """A mixed crowd: the fractions of `OTHERS`, and the usual task for the rest."""
    others = [
        (*plan.size(*size), from_image)
        for fraction, size, from_image in OTHERS
        for _ in range(max(round(fraction * plan.crowd), 1))
    ]
    usual = (*plan.size(*USUAL), False)
    every = [*[usual] * (plan.crowd - len(others)), *others]
    return [
        Workload(width, height, steps, seed, source=smooth_noise(width, height) if from_image else None)
        for seed, (width, height, steps, from_image) in enumerate(every)
    ]


def smooth_noise(width: int, height: int) -> np.ndarray:
    """An image of soft colours: uint8 [height, width, 3]."""
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
