"""Feeds the queue from the log of tasks, and commits that log no further than its lowest unsettled task.

So the queue may lose its state at any moment: everything it needs is read again from there.
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
    """`caught_up` is set when the queue knows every task that was in the log when `run` began."""

    def __init__(self, broker: Broker, queue: Queue, bucket: Bucket) -> None:
        self.caught_up = asyncio.Event()
        self._broker = broker
        self._queue = queue
        self._bucket = bucket
        self._commits = Commits(broker.commit_tasks)
        self._unsettled: dict[str, list[Position]] = {}
        self._accepted_at: dict[str, float] = {}

    async def run(self) -> None:
        """Reads without end. Each call begins at the committed offset."""
        try:
            await self._read()
        finally:
            UNSETTLED_AGE.since(None)  # the controller that reads now reports it

    async def _read(self) -> None:
        self._commits, self._unsettled, self._accepted_at = Commits(self._broker.commit_tasks), {}, {}
        self._report_age()
        async with window() as intake:
            async for position, task in self._broker.tasks():
                if task is not None:
                    # before the bucket is read, so that a task that is settled at this moment is not missed
                    self._commits.add(position)
                    self._unsettled.setdefault(task.id, []).append(position)
                    self._accepted_at.setdefault(task.id, task.created_at)
                    self._report_age()
                    await intake.begin(ALL, partial(self._ingest, task))
                elif not self.caught_up.is_set():
                    await intake.wait_until_empty()
                    self.caught_up.set()

    async def _ingest(self, task: Task, turn: WaitTurn) -> None:
        """Reads the bucket for several tasks at once, but adds them to the queue in the order of the log."""
        manifest = await self._bucket.manifest(task.id, recent=True)
        await turn()
        if manifest is None:
            await self._queue.ingest(task)
        else:
            await self._queue.settle(manifest)
            await self.settled(task.id)

    def has_read(self, task_id: str) -> bool:
        """Whether this replay has read a record of this task, and the task is not settled yet."""
        return task_id in self._unsettled

    async def settled(self, task_id: str) -> None:
        """Called when the manifest of a task is written: its record need not be read again."""
        await self._commits.done(self._unsettled.pop(task_id, ()))
        self._accepted_at.pop(task_id, None)
        self._report_age()

    def _report_age(self) -> None:
        """The age of the first unsettled task, for which the offset waits."""
        UNSETTLED_AGE.since(next(iter(self._accepted_at.values()), None))
