"""Target values by kind of device. Toys and devices without a target get no verdict.

Ratios are against plain diffusers on the same machine in the same run; absolute targets come from published numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from server.commands.bench.results import Figure

Verdict = Literal["reached", "not reached", "not measured", "not applicable on this device", ""]
SAME = "any"
"""The key of a bound for every GPU."""


@dataclass(frozen=True, slots=True)
class Target:
    """A bound for one figure."""

    at_least: bool
    """Whether the bounds are minima; otherwise they are maxima."""
    bounds: Mapping[str, float]
    """By kind of device."""
    p95: float | None = None
    """A separate maximum of the p95."""

    def text(self, kind: str) -> str:
        """The bound for this kind of device, or all bounds if it has none."""
        threshold = self.bounds.get(kind, self.bounds.get(SAME))
        if threshold is None:
            return "; ".join(f"{self._sign} {value:g} ({kind})" for kind, value in self.bounds.items())
        return f"{self._sign} {threshold:g}" + ("" if self.p95 is None else f", p95 ≤ {self.p95:g}")

    def verdict(self, figure: Figure, kinds: tuple[str, ...]) -> Verdict:
        threshold = next((self.bounds[kind] for kind in (*kinds, SAME) if kind in self.bounds), None)
        if threshold is None or not kinds:
            return "not applicable on this device"
        if figure.value is None:
            return "not measured"
        reached = figure.value >= threshold if self.at_least else figure.value <= threshold
        if self.p95 is not None and figure.p95 is not None:
            reached = reached and figure.p95 <= self.p95
        return "reached" if reached else "not reached"

    @property
    def _sign(self) -> str:
        return "≥" if self.at_least else "≤"


def at_least(**bounds: float) -> Target:
    return Target(True, bounds)


def at_most(p95: float | None = None, **bounds: float) -> Target:
    return Target(False, bounds, p95)


TARGETS: Mapping[str, Target] = {
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
    "swap.recaptured": at_most(any=0),
    "lanes.share": at_least(any=95),
}


def device_kinds(name: str, capability: str) -> tuple[str, ...]:
    """The kinds of a device, the most specific first."""
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
