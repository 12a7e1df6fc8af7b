"""What one run of `hua bench` is to measure, and how often. Travels to the process that measures as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

Part = Literal["single", "crowd", "curve", "pieces", "swap", "idle", "service", "cold", "lanes"]
ON_DEVICE: tuple[Part, ...] = ("single", "crowd", "curve", "pieces", "swap", "idle")
"""Those that a process with torch measures by itself; the others watch processes from outside."""
PARTS: tuple[Part, ...] = (*ON_DEVICE, "service", "cold", "lanes")

PAINTER, OTHER, LARGE, CANNY, UPSCALER = "painter", "other", "large", "canny", "upscaler"
"""What the models of a run are called, whichever they are."""

BLOCKS = 2
"""Of each side of a comparison, in turns."""


class Plan(BaseModel):
    """`scale` divides sides and `hurry` steps, so that toys end soon; both are 1 where numbers mean something."""

    model_config = ConfigDict(frozen=True)

    out: Path
    models: Path
    device: str = "auto"
    weights: Literal["toy", "random", "installed"] = "random"
    parts: tuple[Part, ...] = PARTS
    warm_ups: int = 5
    repeats: int = 10
    """Of each block: twenty of each side, all in all."""
    crowd: int = 16
    scale: int = 1
    hurry: int = 1
    lanes: int | None = None
    """None: one for each GPU."""
    no_compile: str = ""
    """Why the compiled baseline is left out, if it is."""
    url: str = ""
    """A Hua that runs already, to be measured instead of one of our own."""

    @property
    def learning_s(self) -> float:
        """How long an engine may learn how large its batches should be."""
        return 5.0 / self.hurry

    def side(self, pixels: int) -> int:
        return max(pixels // self.scale // 8 * 8, 64)

    def steps(self, steps: int) -> int:
        return max(steps // self.hurry, 2)

    def size(self, width: int, height: int, steps: int) -> tuple[int, int, int]:
        return self.side(width), self.side(height), self.steps(steps)
