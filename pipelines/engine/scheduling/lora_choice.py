"""Whether a batch merges its LoRAs into the weights, or has them beside the weights: by measured times.

Merging costs nothing a step, but takes a while, and all rows then have the same LoRAs. Beside the weights, rows may
have different ones, and each step takes a little longer. Pure: it is given times, and tells which is faster.
"""

from __future__ import annotations

from typing import NamedTuple

from pipelines.engine.scheduling.batch_key import BatchKey
from pipelines.engine.scheduling.batch_size import Capacity

SMOOTHING = 0.3
"""Weight of the latest merge in the mean."""


class Plan(NamedTuple):
    """A batch that may run next."""

    key: BatchKey
    rows: int
    steps: int
    """Steps that it goes on for."""


class LoraChoice:
    def __init__(self) -> None:
        self.merge_s: float | None = None
        """Seconds of a merge; None: none was measured."""

    def observe_merge(self, seconds: float) -> None:
        seconds = max(seconds, 0.0)
        before = seconds if self.merge_s is None else self.merge_s
        self.merge_s = before + SMOOTHING * (seconds - before)

    def beside_pays(self, capacity: Capacity, beside: Plan, merged: Plan, *, is_merged: bool) -> bool:
        """Whether the batch with LoRAs beside the weights makes more rows a second than the one that merges them.

        is_merged: the weights have these LoRAs already. While times are missing, batches that only one of the two can
        make are tried, and so measured.
        """
        beside_s, merged_s = (capacity.seconds(plan.key, plan.rows) for plan in (beside, merged))
        if beside_s is None or merged_s is None or self.merge_s is None:
            return beside.rows > merged.rows
        merge_s = 0.0 if is_merged else self.merge_s / max(merged.steps, 1)
        return beside_s / beside.rows < (merged_s + merge_s) / merged.rows
