"""A task is poison if devices died of it in two places, or very often in one.

One place may itself be faulty (a broken card, a machine that restarts) and would condemn every task. So a task is tried
until devices have died in a second place; but not without end, because there may be only one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

DEATHS_UNTIL_POISON, PLACES_UNTIL_POISON, DEATHS_AT_MOST = 3, 2, 6


def place_of(worker: str) -> str:
    """The device, from the name of its worker, MACHINE:DEVICE:PROCESS. A restarted process is the same device."""
    return worker.rpartition(":")[0] or worker


def machine_of(worker: str) -> str:
    """The machine, from the name of a worker. If a machine is lost, all of its workers count as one place."""
    return worker.partition(":")[0]


@dataclass(slots=True)
class Deaths:
    """The deaths that are counted against one task."""

    count: int = 0
    places: set[str] = field(default_factory=set)

    def add(self, place: str) -> None:
        self.count += 1
        self.places.add(place)

    @property
    def poison(self) -> bool:
        enough = self.count >= DEATHS_UNTIL_POISON and len(self.places) >= PLACES_UNTIL_POISON
        return enough or self.count >= DEATHS_AT_MOST
