"""Which task steps next. Decided again at every step, so a more important task takes the device at the next one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Priority = Literal["high", "normal", "low"]
RANKS: Final[dict[str, int]] = {"high": 0, "normal": 1, "low": 2}
PATIENCE: Final = 4.0
"""A shorter task goes first if it came later by less than this many times the work by which it is shorter."""


@dataclass(frozen=True, slots=True, order=True)
class StepPriority:
    """A task's place in the order of steps; the smallest goes first.

    The higher class goes first, and within a class the task that came first. Where sharing steps gains nothing, so that
    tasks take turns on the device, the shorter task goes first (Smith 1956: that is the least mean wait): it counts as
    if it had come earlier, by `PATIENCE` times the work that it has less. So a waiting task is overtaken by ever fewer
    others, and never forever.
    """

    rank: int
    due: float

    @classmethod
    def of(cls, priority: Priority, came_at: float, remaining_s: float = 0.0) -> StepPriority:
        """`came_at` is in seconds; `remaining_s` is the remaining work where sharing steps gains nothing, else 0."""
        return cls(RANKS[priority], came_at + PATIENCE * remaining_s)
