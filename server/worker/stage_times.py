"""How long the stages of one attempt took, for its outcome, its metrics and its trace."""

from __future__ import annotations

import time

from pipelines.engine.events import Finished
from server.observability.tracing import record_span

DEVICE_PARTS = ("audit", "decode", "denoise", "prepare", "load")
"""What a device does for a task, the last one first."""


class StageTimes:
    """Stages: fetch, load, run, audit, moderation, encode, upload."""

    def __init__(self) -> None:
        self.by_stage: dict[str, float] = {}
        """Seconds."""
        self._run_parts: dict[str, float] = {}

    @property
    def by_part(self) -> dict[str, float]:
        """Seconds by stage, with the parts of `run` instead of `run`."""
        return {stage: seconds for stage, seconds in self.by_stage.items() if stage != "run"} | self._run_parts

    def add(self, stage: str, began: float) -> float:
        """Adds the time from `began` to now; returns now. Both are `time.monotonic()`."""
        now = time.monotonic()
        self.by_stage[stage] = self.by_stage.get(stage, 0.0) + now - began
        record_span(stage, time.time() - (now - began), time.time())
        return now

    def add_device(self, finished: Finished) -> None:
        """The device reports its times only at the end, so its spans are dated backwards from now."""
        self.by_stage |= finished.seconds
        self._run_parts = dict(finished.parts)
        ended_at = time.time()
        for part in DEVICE_PARTS:
            seconds = finished.parts.get(part, 0.0) or finished.seconds.get(part, 0.0)
            if seconds:
                record_span(part, ended_at - seconds, ended_at)
                ended_at -= seconds
