"""The counts of the device process as metrics of the worker, and the device's pace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from server.observability.metrics import (
    BATCH_ROWS,
    DEVICE_BUSY,
    DEVICE_FALLBACKS,
    DEVICE_MEMORY,
    MODEL_EVICTIONS,
    MODEL_LOADS,
    Part,
)
from server.worker.messages import DeviceStats

K = TypeVar("K")
PACE_WINDOW = 200.0
"""In units of cost: the pace follows the latest tasks."""


class DeviceMetrics:
    """One per worker. A restarted device process counts from zero, but the metrics go on."""

    def __init__(self) -> None:
        self._last = DeviceStats()
        self._busy_s = 0.0
        self._cost = 0.0
        self._memory: dict[str, Part] = {}

    def restart(self) -> None:
        """A new device process has started."""
        self._last = DeviceStats()

    def close(self) -> None:
        """The worker has ended; others of this process may go on."""
        for part in self._memory.values():
            part.set(0)

    def update(self, stats: DeviceStats) -> None:
        last, self._last = self._last, stats
        busy_s = max(stats.busy_s - last.busy_s, 0.0)
        DEVICE_BUSY.inc(busy_s)
        self._busy_s += busy_s
        for rows, steps in _increase(stats.steps, last.steps).items():
            for _ in range(steps):
                BATCH_ROWS.observe(rows)
        for origin, loads in _increase(stats.loads, last.loads).items():
            MODEL_LOADS.labels(origin).inc(loads)
        for target, evictions in _increase(stats.evictions, last.evictions).items():
            MODEL_EVICTIONS.labels(target).inc(evictions)
        for kind, count in _increase(stats.fallbacks, last.fallbacks).items():
            DEVICE_FALLBACKS.labels(kind).inc(count)
        for kind, size in stats.memory.items():
            self._memory.setdefault(kind, Part(DEVICE_MEMORY.labels(kind))).set(size)

    def add_cost(self, cost: float) -> None:
        """A task of this cost has succeeded."""
        self._cost += cost
        if self._cost > PACE_WINDOW:
            self._cost, self._busy_s = self._cost / 2, self._busy_s / 2

    @property
    def pace_s(self) -> float:
        """Seconds of the device per unit of cost; 0 until it is known."""
        return self._busy_s / self._cost if self._cost >= 1 else 0.0


def _increase(now: Mapping[K, int], before: Mapping[K, int]) -> dict[K, int]:
    return {key: count - before.get(key, 0) for key, count in now.items()}
