"""When a task is poison: it has killed devices in two places, or so many that no chance explains it.

One place may be ill itself, a card that has fallen off the bus or a machine that restarts, and would condemn whatever
it is given. So a task goes on until a second place has seen it kill; but not for ever, for there may be no second.
"""

from __future__ import annotations

from dataclasses import dataclass, field

DEATHS_UNTIL_POISON, PLACES_UNTIL_POISON, DEATHS_AT_MOST = 3, 2, 6


def place_of(worker: str) -> str:
    """Which device it is, by the name of its worker, MACHINE:DEVICE:PROCESS: one that is started again is no other."""
    return worker.rpartition(":")[0] or worker


def machine_of(worker: str) -> str:
    """Where a whole worker was lost: with a machine go all of its workers, and that is one place."""
    return worker.partition(":")[0]


@dataclass(slots=True)
class Deaths:
    """Those that one task was there at."""

    count: int = 0
    places: set[str] = field(default_factory=set)

    def add(self, place: str) -> None:
        self.count += 1
        self.places.add(place)

    @property
    def poison(self) -> bool:
        enough = self.count >= DEATHS_UNTIL_POISON and len(self.places) >= PLACES_UNTIL_POISON
        return enough or self.count >= DEATHS_AT_MOST
