"""The workers that were heard of lately."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from server.queue import LEASE_S, WorkerView

STRICTLY_FAIR_EVERY = 8


class WorkerTable:
    """A worker that stays silent for a lease's time is forgotten."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._wall = wall
        self._heard: dict[str, tuple[float, WorkerView]] = {}
        self._picks: Counter[str] = Counter()

    def heard(self, worker: WorkerView) -> None:
        self._heard[worker.name] = (self._clock(), replace(worker, seen_at=self._wall()))

    def present(self) -> tuple[WorkerView, ...]:
        """By name."""
        since = self._clock() - LEASE_S
        self._heard = {name: (at, view) for name, (at, view) in sorted(self._heard.items()) if at > since}
        self._picks = Counter({name: picks for name, picks in self._picks.items() if name in self._heard})
        return tuple(view for _, view in self._heard.values())

    def owes_fairness(self, name: str) -> bool:
        """Whether the next pick of this worker must ignore which models it has loaded."""
        return (self._picks[name] + 1) % STRICTLY_FAIR_EVERY == 0

    def picked(self, name: str) -> None:
        self._picks[name] += 1
