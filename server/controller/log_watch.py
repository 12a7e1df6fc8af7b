"""Notices that the logs or the bucket were lost, logs it, and restores what the other one knows.

The logs know the outcomes of a week; the bucket knows the result of every ended task; a queue that survived knows the
tasks that wait. An object in the bucket names the logs that belong to it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import aclosing

from server.broker import Broker
from server.controller.queue_restore import restore_manifests
from server.queue import Queue
from server.storage.bucket import Bucket
from server.storage.known_log import KnownLog, read_known_log, save_known_log

log = logging.getLogger(__name__)
CHECK_EVERY_S = 60.0


class LogWatch:
    """clock: unix time in seconds, by which the loss is dated."""

    def __init__(self, broker: Broker, queue: Queue, bucket: Bucket, clock: Callable[[], float] = time.time) -> None:
        self._broker = broker
        self._queue = queue
        self._bucket = bucket
        self._clock = clock

    async def logs_are_lost(self) -> bool:
        """Whether the bucket knows other logs than these. `note_loss` ends this state."""
        known = await read_known_log(self._bucket)
        return known is not None and known.id != await self._broker.log_id()

    async def note_loss(self, published_again: int) -> None:
        """`published_again`: how many unfinished tasks the queue still had; they are in the new logs now."""
        log.error(
            "the logs are not those that the bucket knows: they were deleted or emptied, or HUA_BROKER or HUA_DATA_DIR "
            "names others; results of ended tasks are in the bucket; %d unfinished tasks were in the queue and are in "
            "the logs again; others are lost, and requests for them are answered with task_lost for 40 days",
            published_again,
        )
        await self._save(self._clock())

    async def name_new_logs(self) -> None:
        """Names the logs in a new bucket that lacks nothing, because they have no outcome yet."""
        if await read_known_log(self._bucket) is None and not await self._has_outcomes():
            await self._save()

    async def _has_outcomes(self) -> bool:
        async with aclosing(self._broker.past_outcomes()) as outcomes:
            async for _ in outcomes:
                return True
        return False

    async def _save(self, lost_at: float | None = None) -> None:
        await save_known_log(self._bucket, KnownLog(id=await self._broker.log_id(), lost_at=lost_at))

    async def _restore_bucket(self) -> None:
        """Writes the manifests that the bucket lacks. Its images are lost if it was emptied."""
        restored = await restore_manifests(self._broker, self._queue, self._bucket)
        if restored:
            log.error("the bucket lacked %d manifests, which are restored from the log; was it emptied?", restored)
        await self._save()

    async def run_until_lost(self) -> None:
        """Returns when the logs are lost, and must be read again."""
        while not await self.logs_are_lost():
            if await read_known_log(self._bucket) is None:
                await self._restore_bucket()
            await asyncio.sleep(CHECK_EVERY_S)
