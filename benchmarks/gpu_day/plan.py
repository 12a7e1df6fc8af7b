"""What a run is about: the device, the size of the models, the folders. Each part receives it as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from server.commands.bench.plan import Plan

Fault = Literal["raise", "oom", "sticky", "nan", "hang", "segfault", "killed", "capture"]
"""The ways in which a card fails that can be imitated; `faults.py` describes them."""
SHIFTED = "shifted"
"""The model `main` with a denoiser that differs a little, beside the models of `hua bench`."""


class DayPlan(BaseModel):
    model_config = ConfigDict(frozen=True)

    results: Path
    models: Path
    """Holds `toy` and, unless the run is small, `full`, of full-size nets with random weights."""
    device: str
    small: bool = False
    """Toys alone, few steps and small images: for a CPU. No number means anything."""
    faults: dict[str, Fault] = {}
    """What fails in which part, to see that it is told."""

    @property
    def toy_models(self) -> Path:
        return self.models / "toy"

    @property
    def full_models(self) -> Path:
        """The models whose speed is measured: of full size, or toys in a small run."""
        return self.models / ("toy" if self.small else "full")

    @property
    def side(self) -> int:
        """Width and height of the images of `full_models`, in pixels."""
        return 64 if self.small else 512

    @property
    def steps(self) -> int:
        """Enough to see differences grow, few enough to compare many pictures."""
        return 3 if self.small else 8

    def bench(self) -> Plan:
        """The plan of the parts of `hua bench`."""
        sizes = {"warm_ups": 1, "repeats": 1, "crowd": 5, "scale": 8, "hurry": 5} if self.small else {}
        return Plan(
            out=self.results,
            models=self.full_models,
            device=self.device,
            weights="toy" if self.small else "random",
            lanes=1,
            no_compile="on a CPU it would compare compilers, not servers" if self.device == "cpu" else "",
            **({"warm_ups": 3, "repeats": 5} | sizes),
        )
