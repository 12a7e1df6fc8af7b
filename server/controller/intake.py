"""Feeds the queue from the log of tasks, and commits that log no further than its lowest unsettled task.

So the queue may forget everything at any moment: what it must know is read again from there.
"""

from __future__ import annotations

import asyncio
from functools import partial

from server.broker import Broker, Position
from server.controller.commit_watermark import Commits
from server.controller.ordered_window import WaitTurn, window
from server.observability.metrics import UNSETTLED_AGE
from server.queue import Queue
from server.storage.bucket import Bucket
from server.task import Task

ALL = "all"


class Intake:
    """`caught_up` is set once the queue knows every task that was in the log when `run` began."""

    def __init__(self, broker: Broker, queue: Queue, bucket: Bucket) -> None:
        self.caught_up = asyncio.Event()
        self._broker = broker
        self._queue = queue
        self._bucket = bucket
        self._commits = Commits(broker.commit_tasks)
        self._unsettled: dict[str, list[Position]] = {}
        self._accepted_at: dict[str, float] = {}

    async def run(self) -> None:
        """Reads for ever. When called again, begins again where the log was committed."""
        try:
            await self._read()
        finally:
            UNSETTLED_AGE.since(None)  # whoever reads now tells it

    async def _read(self) -> None:
        self._commits, self._unsettled, self._accepted_at = Commits(self._broker.commit_tasks), {}, {}
        self._tell_age()
        async with window() as intake:
            async for position, task in self._broker.tasks():
                if task is not None:
                    # noted before the bucket is asked, so that a settling at this very moment is not missed
                    self._commits.add(position)
                    self._unsettled.setdefault(task.id, []).append(position)
                    self._accepted_at.setdefault(task.id, task.created_at)
                    self._tell_age()
                    await intake.begin(ALL, partial(self._take_in, task))
                elif not self.caught_up.is_set():
                    await intake.emptied()
                    self.caught_up.set()

    async def _take_in(self, task: Task, turn: WaitTurn) -> None:
        """The bucket is asked about several tasks at once; the queue is told of them in the order of the log."""
        manifest = await self._bucket.manifest(task.id)
        await turn()
        if manifest is None:
            await self._queue.ingest(task)
        else:
            await self._queue.settle(manifest)
            await self.settled(task.id)

    def has_read(self, task_id: str) -> bool:
        """Whether this reading of the log came by a record of this task, which is not settled yet."""
        return task_id in self._unsettled

    async def settled(self, task_id: str) -> None:
        """The manifest of this task is written, so its record need not be read again."""
        await self._commits.done(self._unsettled.pop(task_id, ()))
        self._accepted_at.pop(task_id, None)
        self._tell_age()

    def _tell_age(self) -> None:
        """Of the first that is not settled: the offset waits for it."""
        UNSETTLED_AGE.since(next(iter(self._accepted_at.values()), None))
