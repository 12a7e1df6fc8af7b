"""What is measured, as plain data: a number, its unit, and the samples that it was made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Self

from pydantic import BaseModel, ConfigDict, field_validator

STEADY = 0.03
"""Two blocks of the baseline may differ by as much, or nothing is compared with it."""


class BenchError(Exception):
    """A part cannot be measured; the message says why."""


class Figure(BaseModel):
    """One line of the report. `value` is None if it could not be had; `note` then says why."""

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
        """The median of samples, with the value that 95 of 100 do not exceed."""
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
    def none(cls, name: str, title: str, why: str) -> Self:
        return cls(name=name, title=title, unit="", note=why)


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that this share of them does not exceed."""
    return sorted(samples)[max(math.ceil(share * len(samples)) - 1, 0)]


def ratio(name: str, title: str, base: Sequence[Sequence[float]], ours: Sequence[Sequence[float]]) -> Figure:
    """How many times `base` is `ours`, both in blocks that took turns; refused if the base did not keep still."""
    medians = [median(block) for block in base]
    apart = max(medians) / min(medians) - 1
    if apart > STEADY:
        return Figure.none(name, title, f"refused: the two blocks of the baseline differ by {apart:.1%}")
    return Figure(name=name, title=title, unit="×", value=median(joined(base)) / median(joined(ours)))


def joined(blocks: Sequence[Sequence[float]]) -> list[float]:
    return [sample for block in blocks for sample in block]


def idle_share(spans: list[tuple[float, float]]) -> float:
    """How much of the time from the first beginning to the last end is covered by no span."""
    if not spans:
        raise BenchError("the profiler saw no kernel; is CUPTI allowed here?")
    spans = sorted(spans)
    first, covered_to, idle_time = spans[0][0], spans[0][0], 0.0
    for begin, end in spans:
        idle_time += max(begin - covered_to, 0)
        covered_to = max(covered_to, end)
    return idle_time / (covered_to - first)
