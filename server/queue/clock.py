"""One time for all roles: the queue's, so that a machine whose clock is wrong, or is set, decides nothing by it.

The queue is asked now and then, and in between its time is carried on by this machine's monotonic clock, which nobody
sets. What only tells (logs, metrics, traces) goes by the machine's own clock.
"""

from __future__ import annotations

import asyncio
import time

from server.queue import Queue, QueueUnavailableError

ASK_EVERY_S, ASK_AGAIN_S = 5.0, 0.2
SOON_S = 1.0
"""An answer that took longer says too little of what time it is now."""


class Clock:
    """Unix seconds, when called: this machine's own until the queue has answered for the first time."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._ahead_s: float | None = None
        """Of the queue's clock, before the monotonic one."""

    def __call__(self) -> float:
        return time.time() if self._ahead_s is None else time.monotonic() + self._ahead_s

    def sure(self) -> float:
        """The same for what cannot be undone; raises QueueUnavailableError until the queue has answered."""
        if self._ahead_s is None:
            raise QueueUnavailableError("the queue has not told yet what time it is; nothing is deleted before")
        return self()

    async def keep(self) -> None:
        """Asks the queue for ever."""
        while True:
            await asyncio.sleep(ASK_AGAIN_S if self._ahead_s is None else ASK_EVERY_S)
            await self.ask()

    async def ask(self) -> None:
        """Takes it that the queue looked at its clock half way between question and answer. A queue that is away
        changes nothing."""
        asked_at = time.monotonic()
        try:
            told = await self._queue.time()
        except QueueUnavailableError:
            return
        answered_at = time.monotonic()
        if answered_at - asked_at <= SOON_S:
            self._ahead_s = told - (asked_at + answered_at) / 2
