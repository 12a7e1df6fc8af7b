"""All roles use the queue's clock, so a wrong local clock changes no decision.

The queue is asked every few seconds; in between this machine's monotonic clock counts on, which cannot be set. Logs,
metrics and traces use the machine's own clock.
"""

from __future__ import annotations

import asyncio
import time

from server.queue import Queue, QueueUnavailableError

SYNC_EVERY_S, RETRY_S = 5.0, 0.2
MOST_ROUND_TRIP_S = 1.0
"""A slower answer is too inexact and is ignored."""


class Clock:
    """Returns unix seconds when called: by this machine's clock until the queue has answered once."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._offset_s: float | None = None
        """The queue's clock minus the monotonic clock."""

    def __call__(self) -> float:
        return time.time() if self._offset_s is None else time.monotonic() + self._offset_s

    def sure(self) -> float:
        """The same, for actions that cannot be undone. Raises QueueUnavailableError until the queue has answered."""
        if self._offset_s is None:
            raise QueueUnavailableError("the queue has not told the time yet; nothing is deleted before")
        return self()

    async def keep(self) -> None:
        """Synchronises with the queue without end."""
        while True:
            await asyncio.sleep(RETRY_S if self._offset_s is None else SYNC_EVERY_S)
            await self.ask()

    async def ask(self) -> None:
        """Assumes that the queue read its clock half way between request and answer. An unreachable queue changes
        nothing."""
        asked_at = time.monotonic()
        try:
            queue_time = await self._queue.time()
        except QueueUnavailableError:
            return
        answered_at = time.monotonic()
        if answered_at - asked_at <= MOST_ROUND_TRIP_S:
            self._offset_s = queue_time - (asked_at + answered_at) / 2
