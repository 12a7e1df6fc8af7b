"""How large a batch should be: learnt from how long steps take, never guessed for long.

Batching pays until the device is saturated, and then only makes everybody wait. Where that is depends on the device,
the model and the size, so it is measured for each key. Pure: it is told times and answers rows.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from statistics import median

from pipelines.engine.scheduling.batch_key import BatchKey

MOST_ROWS = 64
PRESUMED_ROWS = 8
PRESUMED_AT = 64 * 64
GAIN = 1.05
SAMPLES = 5
RECONSIDER_AFTER = 512


class Capacity:
    """The number of rows beyond which images per second stop rising, by key.

    Until a key is measured it presumes what saturates a mid-sized GPU: eight rows of 64×64 latents (512×512 pixels), or
    as many positions of another size.
    """

    def __init__(self) -> None:
        self._times: defaultdict[BatchKey, dict[int, deque[float]]] = defaultdict(dict)
        self._steps: defaultdict[BatchKey, int] = defaultdict(int)
        self._met: set[tuple[BatchKey, int]] = set()
        self._refused: dict[BatchKey, int] = {}
        self._latest: BatchKey | None = None

    @property
    def latest(self) -> int:
        """The rows that a batch like the last one may have."""
        return PRESUMED_ROWS if self._latest is None else self.rows(self._latest)

    def rows(self, key: BatchKey) -> int:
        """How many rows a batch of this key may have."""
        key = key.of_cost
        allowed = min(self._refused.get(key, MOST_ROWS + 1) - 1, MOST_ROWS)
        times = self._medians(key)
        if len(times) < 2:
            _, height, width = key.latents
            presumed = PRESUMED_ROWS * PRESUMED_AT // (height * width)
            return max(min(max(presumed, 2 * max(times, default=1)), allowed), 1)
        best = knee(times)
        return max(min(2 * best if best == max(times) else best, allowed), 1)

    def seconds(self, key: BatchKey, rows: int) -> float | None:
        """What a step of so many rows takes, of such as were measured; None if none was."""
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
        """A step of so many rows took so long. The first of its kind is left out: it also paid for the preparations."""
        self._latest = key = key.of_cost
        if (key, rows) not in self._met:
            self._met.add((key, rows))
            return
        self._times[key].setdefault(rows, deque(maxlen=SAMPLES)).append(seconds)
        self._steps[key] += 1
        if self._steps[key] % RECONSIDER_AFTER == 0:
            self._reconsider(key)

    def refuse(self, key: BatchKey, rows: int) -> None:
        """So many rows do not fit the device's memory."""
        key = key.of_cost
        self._refused[key] = min(rows, self._refused.get(key, rows))

    def _medians(self, key: BatchKey) -> dict[int, float]:
        return {rows: median(samples) for rows, samples in self._times[key].items()} if key in self._times else {}

    def _reconsider(self, key: BatchKey) -> None:
        """Forgets what spoke against larger batches: it may have been a passing disturbance."""
        best = knee(self._medians(key))
        self._times[key] = {rows: samples for rows, samples in self._times[key].items() if rows <= best}


def knee(times: Mapping[int, float]) -> int:
    """The smallest number of rows that no larger one beats by more than 5 % in rows per second; seconds by rows."""
    best = min(times)
    for rows in sorted(times):
        if rows / times[rows] > GAIN * best / times[best]:
            best = rows
    return best
