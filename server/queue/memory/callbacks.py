"""Callbacks by when they are due."""

from __future__ import annotations

import heapq
from dataclasses import replace

from server.queue import DueCallback

HIDDEN_S = 60.0


class CallbackSchedule:
    """One per task at most. What was taken comes again a minute later, unless it was put anew or dropped."""

    def __init__(self) -> None:
        self._callbacks: dict[str, DueCallback] = {}

    def put(self, callback: DueCallback) -> None:
        self._callbacks[callback.task_id] = callback

    def take(self, now: float, count: int) -> list[DueCallback]:
        due = (callback for callback in self._callbacks.values() if callback.due_at <= now)
        taken = heapq.nsmallest(count, due, key=lambda callback: callback.due_at)
        for callback in taken:
            self.put(replace(callback, due_at=now + HIDDEN_S))
        return taken

    def __len__(self) -> int:
        return len(self._callbacks)

    def count(self, now: float) -> int:
        """How many are due."""
        return sum(callback.due_at <= now for callback in self._callbacks.values())

    def drop(self, task_id: str) -> None:
        self._callbacks.pop(task_id, None)
