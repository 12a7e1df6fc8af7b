"""How many rows a batch should have: learned from the measured times of steps.

Batching pays until the device is saturated; beyond that it only makes all tasks wait longer. The limit depends on the
device, the model and the size, so it is measured for each key. Pure: it is given times and returns rows.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from statistics import median

from pipelines.engine.scheduling.batch_key import BatchKey

MOST_ROWS = 64
DEFAULT_ROWS = 8
"""Rows that saturate a mid-sized GPU at `DEFAULT_AREA`."""
DEFAULT_AREA = 64 * 64
"""Area of the latents of 512×512 pixels."""
GAIN = 1.05
"""More rows must make at least this many times as many rows per second."""
SAMPLES = 5
"""Latest times per number of rows; their median counts."""
RECONSIDER_AFTER = 512
"""Steps of a key after which larger batches are measured again."""


class Capacity:
    """The number of rows beyond which images per second stop rising, by key.

    Until a key is measured it assumes DEFAULT_ROWS rows of DEFAULT_AREA, or as many latents of another size.
    """

    def __init__(self) -> None:
        self._times: defaultdict[BatchKey, dict[int, deque[float]]] = defaultdict(dict)
        """Seconds of the latest steps, by rows."""
        self._steps: defaultdict[BatchKey, int] = defaultdict(int)
        self._started: set[tuple[BatchKey, int]] = set()
        """Keys and rows whose first step, which also pays for preparations, is over."""
        self._refused: dict[BatchKey, int] = {}
        """The smallest number of rows that did not fit the device's memory."""
        self._latest: BatchKey | None = None

    @property
    def latest(self) -> int:
        """The rows that a batch like the last one may have."""
        return DEFAULT_ROWS if self._latest is None else self.rows(self._latest)

    def rows(self, key: BatchKey) -> int:
        """The rows that a batch of this key may have."""
        key = key.of_cost
        allowed = min(self._refused.get(key, MOST_ROWS + 1) - 1, MOST_ROWS)
        times = self._medians(key)
        if len(times) < 2:
            _, height, width = key.latents
            assumed = DEFAULT_ROWS * DEFAULT_AREA // (height * width)
            return max(min(max(assumed, 2 * max(times, default=1)), allowed), 1)
        best = knee(times)
        return max(min(2 * best if best == max(times) else best, allowed), 1)

    def seconds(self, key: BatchKey, rows: int) -> float | None:
        """Seconds of a step of so many rows, in proportion to the nearest measured number; None if none is measured."""
        times = self._medians(key.of_cost)
        if not times:
            return None
        nearest = min(times, key=lambda measured: abs(measured - rows))
        return times[nearest] * rows / nearest

    def gains(self, key: BatchKey) -> bool:
        """Whether more rows make more images per second, as far as is known."""
        times = self._medians(key.of_cost)
        return len(times) < 2 or knee(times) > min(times)

    def observe(self, key: BatchKey, rows: int, seconds: float) -> None:
        """Records the seconds of a step. The first step of a key and number of rows does not count: it also pays for
        preparations."""
        self._latest = key = key.of_cost
        if (key, rows) not in self._started:
            self._started.add((key, rows))
            return
        self._times[key].setdefault(rows, deque(maxlen=SAMPLES)).append(seconds)
        self._steps[key] += 1
        if self._steps[key] % RECONSIDER_AFTER == 0:
            self._reconsider(key)

    def refuse(self, key: BatchKey, rows: int) -> None:
        """Records that so many rows do not fit the device's memory."""
        key = key.of_cost
        self._refused[key] = min(rows, self._refused.get(key, rows))

    def _medians(self, key: BatchKey) -> dict[int, float]:
        return {rows: median(samples) for rows, samples in self._times[key].items()} if key in self._times else {}

    def _reconsider(self, key: BatchKey) -> None:
        """Forgets the times of larger batches: a passing disturbance may have made them slow."""
        best = knee(self._medians(key))
        self._times[key] = {rows: samples for rows, samples in self._times[key].items() if rows <= best}


def knee(times: Mapping[int, float]) -> int:
    """The smallest number of rows that no larger one beats by more than 5 % in rows per second.

    `times` are seconds by rows.
    """
    best = min(times)
    for rows in sorted(times):
        if rows / times[rows] > GAIN * best / times[best]:
            best = rows
    return best
