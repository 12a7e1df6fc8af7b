"""Reads the logs into the queue: at the start, from then on, and from where they were committed when it was emptied."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from server.broker import Broker
from server.controller.intake import Intake
from server.controller.queue_restore import recall_callbacks, recall_ended, recall_settled
from server.controller.retry import retry_forever
from server.controller.settlement import Settling
from server.queue import Queue, QueueUnavailableError
from server.storage.bucket import Bucket

log = logging.getLogger(__name__)
LOOK_EVERY_S = 1.0


class LogReplay:
    """Nothing is leased before outcomes, tasks and callbacks have been read, in this order: so no task is run a second
    time that has ended already."""

    def __init__(self, broker: Broker, queue: Queue, bucket: Bucket) -> None:
        self._broker = broker
        self._queue = queue
        self._bucket = bucket

    async def run(self) -> None:
        while True:
            await self._until_emptied()
            log.warning("the queue has lost what it knew; reading the logs again")

    async def _until_emptied(self) -> None:
        """Begun before anything is read, so that a queue that is emptied meanwhile does not open."""
        await retry_forever(self._queue.begin, "beginning")
        intake = Intake(self._broker, self._queue, self._bucket)
        settling = Settling(self._broker, self._queue, self._bucket, intake.settled)

        async def take_in() -> None:
            await settling.caught_up.wait()
            await intake.run()

        async def start() -> None:
            await intake.caught_up.wait()
            await recall_settled(self._bucket, self._queue, intake.has_read)
            await recall_callbacks(self._bucket, self._queue)
            await self._queue.open()
            await recall_ended(self._bucket, self._queue)

        async with asyncio.TaskGroup() as group:
            works = [
                group.create_task(retry_forever(settling.run, "settling")),
                group.create_task(retry_forever(take_in, "intake")),
            ]
            await retry_forever(start, "start")
            await self._emptied()
            for work in works:
                work.cancel()

    async def _emptied(self) -> None:
        """Waits until the queue says that it is not complete; one that is away may still come back with all it knew."""
        complete = True
        while complete:
            await asyncio.sleep(LOOK_EVERY_S)
            with suppress(QueueUnavailableError):
                complete = await self._queue.complete()
