"""Feeds the queue from the log of tasks, and commits that log no further than its lowest unsettled task.

So the queue may forget everything at any moment: what it must know is read again from there.
"""

from __future__ import annotations

import asyncio

from server.broker import Broker, Position
from server.bucket import Bucket
from server.controller.watermark import Watermark
from server.queue import Queue
from server.task import Task


class Intake:
    """`caught_up` is set once the queue knows every task that was in the log when `run` began."""

    def __init__(self, broker: Broker, queue: Queue, bucket: Bucket) -> None:
        self.caught_up = asyncio.Event()
        self._broker = broker
        self._queue = queue
        self._bucket = bucket
        self._watermark = Watermark()
        self._unsettled: dict[str, list[Position]] = {}

    async def run(self) -> None:
        """Reads for ever. When called again, begins again where the log was committed."""
        self._watermark, self._unsettled = Watermark(), {}
        async for position, task in self._broker.tasks():
            if task is None:
                self.caught_up.set()
            else:
                await self._take_in(position, task)

    async def _take_in(self, position: Position, task: Task) -> None:
        # noted before the bucket is asked, so that a settling at this very moment is not missed
        self._watermark.add(position)
        self._unsettled.setdefault(task.id, []).append(position)
        manifest = await self._bucket.manifest(task.id)
        if manifest is None:
            await self._queue.ingest(task)
        else:
            await self._queue.settle(manifest)
            await self.settled(task.id)

    async def settled(self, task_id: str) -> None:
        """The manifest of this task is written, so its record need not be read again."""
        for position in self._unsettled.pop(task_id, ()):
            if reached := self._watermark.done(position):
                await self._broker.commit_tasks(reached)
