"""What one run of `hua bench` measures, and how often. The measuring process receives it as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

Part = Literal["single", "crowd", "curve", "pieces", "swap", "idle", "service", "cold", "lanes"]
ON_DEVICE: tuple[Part, ...] = ("single", "crowd", "curve", "pieces", "swap", "idle")
"""Measured inside a process with torch; the other parts measure processes from outside."""
PARTS: tuple[Part, ...] = (*ON_DEVICE, "service", "cold", "lanes")

MAIN, OTHER, LARGE, CANNY, UPSCALER = "main", "other", "large", "canny", "upscaler"
"""The names of the models of a run."""

BLOCKS = 2
"""Blocks per side of a comparison; the sides alternate."""


class Plan(BaseModel):
    """The settings of one run."""

    model_config = ConfigDict(frozen=True)

    out: Path
    models: Path
    device: str = "auto"
    weights: Literal["toy", "random", "installed"] = "random"
    parts: tuple[Part, ...] = PARTS
    warm_ups: int = 5
    repeats: int = 10
    """Per block, so twenty per side in all."""
    crowd: int = 16
    scale: int = 1
    """Divides widths and heights, so that toys end soon; 1 for real measurements."""
    hurry: int = 1
    """Divides steps, likewise."""
    lanes: int | None = None
    """Device processes; None means one per GPU."""
    no_compile: str = ""
    """Why the compiled baseline is skipped; empty if it runs."""
    url: str = ""
    """A running Hua to measure; empty to start one."""

    @property
    def learning_s(self) -> float:
        """How long an engine may measure batch sizes."""
        return 5.0 / self.hurry

    def scaled(self, pixels: int) -> int:
        return max(pixels // self.scale // 8 * 8, 64)

    def steps(self, steps: int) -> int:
        return max(steps // self.hurry, 2)

    def size(self, width: int, height: int, steps: int) -> tuple[int, int, int]:
        return self.scaled(width), self.scaled(height), self.steps(steps)
