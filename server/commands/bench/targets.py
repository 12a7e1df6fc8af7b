"""What we want to reach, by kind of device. A toy reaches nothing, and a device that no goal is set for neither.

Ratios are against bare diffusers on the same machine in the same run; the absolute goals stand on published numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from server.commands.bench.results import Figure

Verdict = Literal["reached", "not reached", "not measured", "not applicable on this device", ""]
SAME = "any"
"""A goal that is the same on every GPU."""


@dataclass(frozen=True, slots=True)
class Goal:
    """`bounds` by kind of device; a p95 has a bound of its own where it matters."""

    at_least: bool
    bounds: Mapping[str, float]
    p95: float | None = None

    def shown(self, kind: str) -> str:
        bound = self.bounds.get(kind, self.bounds.get(SAME))
        if bound is None:
            return "; ".join(f"{self._side} {value:g} ({kind})" for kind, value in self.bounds.items())
        return f"{self._side} {bound:g}" + ("" if self.p95 is None else f", p95 ≤ {self.p95:g}")

    def verdict(self, figure: Figure, kinds: tuple[str, ...]) -> Verdict:
        bound = next((self.bounds[kind] for kind in (*kinds, SAME) if kind in self.bounds), None)
        if bound is None or not kinds:
            return "not applicable on this device"
        if figure.value is None:
            return "not measured"
        good = figure.value >= bound if self.at_least else figure.value <= bound
        if self.p95 is not None and figure.p95 is not None:
            good = good and figure.p95 <= self.p95
        return "reached" if good else "not reached"

    @property
    def _side(self) -> str:
        return "≥" if self.at_least else "≤"


def at_least(**bounds: float) -> Goal:
    return Goal(True, bounds)


def at_most(p95: float | None = None, **bounds: float) -> Goal:
    return Goal(False, bounds, p95)


GOALS: Mapping[str, Goal] = {
    "single.sd1.bare/hua": at_least(H200=2.0, Turing=1.10),
    "single.sd1.compiled/hua": at_least(H200=1.0, Turing=1.0),
    "single.sd1.hua": at_most(H200=0.25, T4=2.8, RTX5000=1.9),
    "single.sdxl.bare/hua": at_least(H200=1.35, Turing=1.08),
    "single.sdxl.hua": at_most(H200=1.6),
    "crowd.bare/hua": at_least(H200=3.0, Turing=1.20),
    "crowd.waits": at_most(H200=0.40, Turing=0.85),
    "equal.images": at_least(H200=8.0),
    "curve.sd1.step.2": at_most(H200=10.5),
    "pieces.decode": at_most(H200=12),
    "pieces.upscale": at_most(H200=60, T4=1200, RTX5000=700),
    "idle.hua": at_most(H200=5, Turing=3),
    "service.overhead": at_most(p95=40, any=20),
    "upscaled.overhead": at_most(any=90),
    "cold.bare/hua": at_least(any=1.2),
    "swap.bare/hua": at_least(any=5),
    "swap.hua": at_most(H200=0.4),
    "lanes.share": at_least(any=95),
}


def kinds_of(name: str, capability: str) -> tuple[str, ...]:
    """The kinds a device is of, the narrowest first."""
    kinds = []
    if "H200" in name:
        kinds.append("H200")
    if "T4" in name.split():
        kinds.append("T4")
    if "Quadro RTX 5000" in name:
        kinds.append("RTX5000")
    if capability == "7.5":
        kinds.append("Turing")
    return tuple(kinds) or (("GPU",) if capability else ())
