"""Who steps next. Decided anew at every step, so a task that matters more takes the device at the next boundary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Priority = Literal["high", "normal", "low"]
RANKS: Final[dict[str, int]] = {"high": 0, "normal": 1, "low": 2}
PATIENCE: Final = 4.0
"""A task may be overtaken by one that comes later by up to so many times by what that one is shorter."""


@dataclass(frozen=True, slots=True, order=True)
class StepPriority:
    """When it is a task's turn: the smaller one is the first.

    The higher class goes first. Within a class it is first come, first served; but where steps are shared for no gain,
    and so take turns on the device, the shorter goes first (Smith 1956: that is the least mean wait), as if its work
    lay before its coming `PATIENCE` times over. Whoever waits is overtaken by ever fewer, and by none for ever.
    """

    rank: int
    due: float

    @classmethod
    def of(cls, priority: Priority, came_at: float, remaining_s: float = 0.0) -> StepPriority:
        """`remaining_s` is the work that is left where sharing gains nothing, else 0. Both in seconds."""
        return cls(RANKS[priority], came_at + PATIENCE * remaining_s)
