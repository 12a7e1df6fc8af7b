"""Measured values as plain data: a number, its unit and its samples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Self

from pydantic import BaseModel, ConfigDict, field_validator

MAX_DIFFERENCE = 0.03
"""If the two blocks of the baseline differ by more, no ratio is reported."""


class BenchError(Exception):
    """A part could not be measured; the message says why."""


class Figure(BaseModel):
    """One line of the report. `value` is None if it could not be measured; `note` then says why."""

    model_config = ConfigDict(frozen=True)

    name: str
    title: str
    unit: str
    value: float | None = None
    p95: float | None = None
    samples: tuple[float, ...] = ()
    note: str = ""

    @field_validator("name")
    @classmethod
    def _current_name(cls, name: str) -> str:
        """Reports of earlier versions name the figures of the service `house.*`; read for one release."""
        return f"service.{name.removeprefix('house.')}" if name.startswith("house.") else name

    @classmethod
    def of(cls, name: str, title: str, unit: str, samples: Sequence[float], note: str = "") -> Self:
        """The median and the 95th percentile of samples."""
        return cls(
            name=name,
            title=title,
            unit=unit,
            value=median(samples),
            p95=percentile(samples, 0.95),
            samples=tuple(samples),
            note=note,
        )

    @classmethod
    def missing(cls, name: str, title: str, why: str) -> Self:
        """A figure without a value."""
        return cls(name=name, title=title, unit="", note=why)


def percentile(samples: Sequence[float], fraction: float) -> float:
    """The smallest sample that is at least as large as this fraction of them."""
    return sorted(samples)[max(math.ceil(fraction * len(samples)) - 1, 0)]


def ratio(name: str, title: str, base: Sequence[Sequence[float]], ours: Sequence[Sequence[float]]) -> Figure:
    """The median of `base` divided by that of `ours`, from alternating blocks; missing if `base` varied too much."""
    medians = [median(block) for block in base]
    difference = max(medians) / min(medians) - 1
    if difference > MAX_DIFFERENCE:
        return Figure.missing(name, title, f"refused: the two blocks of the baseline differ by {difference:.1%}")
    return Figure(name=name, title=title, unit="×", value=median(join_blocks(base)) / median(join_blocks(ours)))


def join_blocks(blocks: Sequence[Sequence[float]]) -> list[float]:
    return [sample for block in blocks for sample in block]


def idle_fraction(spans: list[tuple[float, float]]) -> float:
    """The fraction of the time from the first beginning to the last end that no span covers."""
    if not spans:
        raise BenchError("the profiler recorded no kernel; allow CUPTI for this process")
    spans = sorted(spans)
    first, covered_to, idle_time = spans[0][0], spans[0][0], 0.0
    for begin, end in spans:
        idle_time += max(begin - covered_to, 0)
        covered_to = max(covered_to, end)
    return idle_time / (covered_to - first)


def format_number(value: float) -> str:
    """Three significant digits, but all digits before the decimal point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
