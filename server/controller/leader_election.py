"""Of several controllers one leads, and reads the logs; the others stand by.

This saves work and second callbacks, and nothing rests on it: two that do read at once settle each task alike, since
both see its outcomes in the same order, and whoever comes second finds the manifest of the first.
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
    """`renew_s` is how often the queue is asked for the lead, by whoever has it and by whoever stands by."""

    def __init__(self, queue: Queue, renew_s: float = RENEW_S) -> None:
        self._queue = queue
        self._renew_s = renew_s
        self._who = uuid.uuid4().hex
        self.leads: bool | None = None
        """None until the queue has answered."""

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Does `work`, which never ends by itself, whenever we lead, until canceled."""
        try:
            while True:
                await self._until(True)
                await self._lead(work)
                log.warning("another controller reads the logs now; this one stands by")
        finally:
            with contextlib.suppress(QueueUnavailableError):
                await self._queue.resign(self._who)

    async def _lead(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        both = [asyncio.create_task(work()), asyncio.create_task(self._until(False))]
        try:
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()
        finally:
            for each in both:
                each.cancel()
            await asyncio.gather(*both, return_exceptions=True)

    async def _until(self, leading: bool) -> None:
        """A queue that is away changes nothing: nobody else can take the lead meanwhile."""
        while True:
            with contextlib.suppress(QueueUnavailableError):
                self.leads = await self._queue.lead(self._who)
                LEADING.set(self.leads)
                if self.leads is leading:
                    return
            await asyncio.sleep(self._renew_s)
