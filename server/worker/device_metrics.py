"""What the process that owns a device has counted, as metrics of its parent, and what they say of the device's pace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from server.observability.metrics import BATCH_ROWS, DEVICE_BUSY, DEVICE_MEMORY, MODEL_EVICTIONS, MODEL_LOADS
from server.worker.messages import DeviceStats

K = TypeVar("K")
REMEMBERED = 200.0
"""In units of cost: the pace follows what the device was given lately."""


class DeviceMetrics:
    """One for each worker; its devices come and go, and each of them counts from nothing."""

    def __init__(self) -> None:
        self._last = DeviceStats()
        self._busy_s = 0.0
        self._cost = 0.0

    def begin(self) -> None:
        """Another device has taken the place of the last one."""
        self._last = DeviceStats()

    def read(self, tally: DeviceStats) -> None:
        """A device's counts since it began."""
        last, self._last = self._last, tally
        busy_s = max(tally.busy_s - last.busy_s, 0.0)
        DEVICE_BUSY.inc(busy_s)
        self._busy_s += busy_s
        for rows, steps in _more(tally.steps, last.steps).items():
            for _ in range(steps):
                BATCH_ROWS.observe(rows)
        for origin, loads in _more(tally.loads, last.loads).items():
            MODEL_LOADS.labels(origin).inc(loads)
        for target, evictions in _more(tally.evictions, last.evictions).items():
            MODEL_EVICTIONS.labels(target).inc(evictions)
        for kind, size in tally.memory.items():
            DEVICE_MEMORY.labels(kind).set(size)

    def done(self, cost: float) -> None:
        """A task of this cost has left the device."""
        self._cost += cost
        if self._cost > REMEMBERED:
            self._cost, self._busy_s = self._cost / 2, self._busy_s / 2

    @property
    def pace_s(self) -> float:
        """Seconds of the device that a unit of cost takes; 0 until that is known."""
        return self._busy_s / self._cost if self._cost >= 1 else 0.0


def _more(now: Mapping[K, int], before: Mapping[K, int]) -> dict[K, int]:
    return {key: count - before.get(key, 0) for key, count in now.items()}
