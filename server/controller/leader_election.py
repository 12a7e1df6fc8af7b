"""One of several controllers leads and reads the logs; the others stand by.

Election saves work and duplicate callbacks; correctness does not depend on it. Two controllers that read at once settle
each task alike, because both see its outcomes in the same order, and the second finds the manifest of the first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

from server.observability.metrics import LEADING
from server.queue import LEAD_S, Queue, QueueUnavailableError

log = logging.getLogger(__name__)
RENEW_S = LEAD_S / 4


class LeaderElection:
    """renew_s: seconds between requests to the queue for the leadership, by the leader and by standbys."""

    def __init__(self, queue: Queue, renew_s: float = RENEW_S) -> None:
        self._queue = queue
        self._renew_s = renew_s
        self._id = uuid.uuid4().hex
        self.leads: bool | None = None
        """None until the queue has answered."""

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs `work` while this controller leads, until canceled. `work` never ends by itself."""
        try:
            while True:
                await self._wait_until(True)
                await self._lead(work)
                log.warning("another controller reads the logs now; this one stands by")
        finally:
            with contextlib.suppress(QueueUnavailableError):
                await self._queue.resign(self._id)

    async def _lead(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        tasks = [asyncio.create_task(work()), asyncio.create_task(self._wait_until(False))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait_until(self, leading: bool) -> None:
        """An unreachable queue changes nothing, because no other controller can become leader meanwhile."""
        while True:
            with contextlib.suppress(QueueUnavailableError):
                self.leads = await self._queue.lead(self._id)
                LEADING.set(self.leads)
                if self.leads is leading:
                    return
            await asyncio.sleep(self._renew_s)
