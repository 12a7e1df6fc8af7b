"""The workers that have sent a heartbeat recently."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from server.queue import LEASE_S, WorkerView
from server.queue.pools import EVERY_TASK, Pool, pool_of

STRICTLY_FAIR_EVERY = 8


class WorkerTable:
    """A worker without a heartbeat for LEASE_S is dropped."""

    def __init__(self, clock: Callable[[], float], wall: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._wall = wall
        self._seen: dict[str, tuple[float, WorkerView]] = {}
        self._pools: dict[str, Pool] = {}
        self._picks: Counter[str] = Counter()

    def announce(self, worker: WorkerView) -> None:
        self._pools[worker.name] = pool_of(worker)
        self._seen[worker.name] = (self._clock(), replace(worker, seen_at=self._wall()))

    def all(self) -> tuple[WorkerView, ...]:
        """All workers, by name."""
        since = self._clock() - LEASE_S
        self._seen = {name: (at, view) for name, (at, view) in sorted(self._seen.items()) if at > since}
        self._pools = {name: self._pools[name] for name in self._seen}
        self._picks = Counter({name: picks for name, picks in self._picks.items() if name in self._seen})
        return tuple(view for _, view in self._seen.values())

    def pools(self) -> set[Pool]:
        self.all()
        return set(self._pools.values())

    def pool(self, name: str) -> Pool:
        """The pool of a worker; of one that has not been announced, the pool that takes every task."""
        return self._pools.get(name, EVERY_TASK)

    def must_pick_fairly(self, name: str) -> bool:
        """Whether the next pick of this worker must ignore its loaded models."""
        return (self._picks[name] + 1) % STRICTLY_FAIR_EVERY == 0

    def count_pick(self, name: str) -> None:
        self._picks[name] += 1
