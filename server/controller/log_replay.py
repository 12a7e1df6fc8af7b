"""Reads the logs into the queue, and again from the committed offsets when the queue has lost its state."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress

from server.broker import Broker
from server.controller.intake import Intake
from server.controller.log_watch import LogWatch
from server.controller.queue_restore import restore_callbacks, restore_finished, restore_settled
from server.controller.retry import retry_forever
from server.controller.settlement import Settlement
from server.queue import Queue, QueueUnavailableError
from server.storage.bucket import Bucket

log = logging.getLogger(__name__)
CHECK_EVERY_S = 1.0


class LogReplay:
    """Outcomes, tasks and callbacks are read in this order before any task is leased, so no ended task runs again.

    clock: unix time in seconds.
    """

    def __init__(self, broker: Broker, queue: Queue, bucket: Bucket, clock: Callable[[], float] = time.time) -> None:
        self._broker = broker
        self._queue = queue
        self._bucket = bucket
        self._clock = clock
        self._log_watch = LogWatch(broker, queue, bucket, clock)

    async def run(self) -> None:
        while True:
            await self._replay()
            log.warning("the queue or the logs have lost their state; reading the logs again")

    async def _replay(self) -> None:
        """Marks the queue as incomplete before reading, so that a queue that is emptied meanwhile does not open."""
        await retry_forever(self._queue.begin, "beginning")
        intake = Intake(self._broker, self._queue, self._bucket)
        settlement = Settlement(self._broker, self._queue, self._bucket, intake.settled, self._clock)

        async def ingest_tasks() -> None:
            await settlement.caught_up.wait()
            await intake.run()

        async def start() -> None:
            await intake.caught_up.wait()
            unsettled = await restore_settled(self._bucket, self._queue, intake.has_read)
            if await self._log_watch.logs_are_lost():
                for task in unsettled:
                    await self._broker.publish_task(task)
                await self._log_watch.note_loss(len(unsettled))
            await self._log_watch.name_new_logs()
            await restore_callbacks(self._bucket, self._queue)
            await self._queue.open()
            await restore_finished(self._bucket, self._queue)

        async with asyncio.TaskGroup() as group:
            jobs = [
                group.create_task(retry_forever(settlement.run, "settling")),
                group.create_task(retry_forever(ingest_tasks, "intake")),
            ]
            await retry_forever(start, "start")
            watches = [
                group.create_task(self._wait_until_emptied()),
                group.create_task(retry_forever(self._log_watch.run_until_lost, "watching the logs")),
            ]
            await asyncio.wait(watches, return_when=asyncio.FIRST_COMPLETED)
            for job in (*jobs, *watches):
                job.cancel()

    async def _wait_until_emptied(self) -> None:
        """Waits until the queue is incomplete. An unreachable queue may still come back with its state."""
        complete = True
        while complete:
            await asyncio.sleep(CHECK_EVERY_S)
            with suppress(QueueUnavailableError):
                complete = await self._queue.complete()
