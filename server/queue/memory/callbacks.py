"""Callbacks by the time when they are due."""

from __future__ import annotations

import heapq
from dataclasses import replace

from server.queue import DueCallback

HIDDEN_S = 60.0


class CallbackSchedule:
    """At most one per task. A taken callback is due again a minute later, unless it was put again or dropped."""

    def __init__(self) -> None:
        self._callbacks: dict[str, DueCallback] = {}

    def put(self, callback: DueCallback) -> None:
        self._callbacks[callback.task_id] = callback

    def take(self, now: float, count: int) -> list[DueCallback]:
        due = (callback for callback in self._callbacks.values() if callback.due_at <= now)
        callbacks = heapq.nsmallest(count, due, key=lambda callback: callback.due_at)
        for callback in callbacks:
            self.put(replace(callback, due_at=now + HIDDEN_S))
        return callbacks

    def __len__(self) -> int:
        return len(self._callbacks)

    def count(self, now: float) -> int:
        """The number of due callbacks."""
        return sum(callback.due_at <= now for callback in self._callbacks.values())

    def drop(self, task_id: str) -> None:
        self._callbacks.pop(task_id, None)
