"""Callbacks by the time when they are due."""

from __future__ import annotations

import heapq
from dataclasses import replace

from server.queue import DueCallback

HIDDEN_S = 60.0
FEW = 16
"""Skipped entries that are not worth a cleaning."""


class CallbackSchedule:
    """At most one per task. A taken callback is due again a minute later, unless it was put again or dropped."""

    def __init__(self) -> None:
        self._callbacks: dict[str, DueCallback] = {}
        self._by_time: list[tuple[float, str]] = []
        """A heap of times and task ids. Entries of callbacks that were put again or dropped are skipped."""

    def put(self, callback: DueCallback) -> None:
        self._callbacks[callback.task_id] = callback
        heapq.heappush(self._by_time, (callback.due_at, callback.task_id))

    def take(self, now: float, count: int) -> list[DueCallback]:
        taken: list[DueCallback] = []
        while self._by_time and self._by_time[0][0] <= now and len(taken) < count:
            due_at, task_id = heapq.heappop(self._by_time)
            callback = self._callbacks.get(task_id)
            if callback is not None and callback.due_at == due_at:
                taken.append(callback)
                self.put(replace(callback, due_at=now + HIDDEN_S))
        return taken

    def __len__(self) -> int:
        return len(self._callbacks)

    def count(self, now: float) -> int:
        """The number of due callbacks."""
        return sum(callback.due_at <= now for callback in self._callbacks.values())

    def drop(self, task_id: str) -> None:
        self._callbacks.pop(task_id, None)
        if len(self._by_time) > 2 * len(self._callbacks) + FEW:
            self._by_time = [(callback.due_at, callback.task_id) for callback in self._callbacks.values()]
            heapq.heapify(self._by_time)
