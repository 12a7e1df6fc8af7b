"""The state of one unfinished task in the memory queue."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from server.queue import Lease, Progress, View
from server.queue.poison import Deaths
from server.task import Status, Task

POSITION_EVERY_S = 1.0
"""How often a watcher gets the position of a waiting task, which changes without an event."""


@dataclass(slots=True, eq=False)
class TaskState:
    """A watcher keeps a reference to this, so it gets the `last` view even if the queue has dropped the task."""

    task: Task
    order: int
    """Its number among all tasks that ever arrived."""
    ingested: bool = False
    waits_since: float = 0.0
    deaths: Deaths = field(default_factory=Deaths)
    parked: str = ""
    lease: Lease | None = None
    device_done: bool = False
    """The device has finished with it."""
    lease_ends: float = math.inf
    started_at: float | None = None
    progress: Progress | None = None
    last: View | None = None
    dropped: bool = False
    """The task was never accepted, so it has no last view."""
    watchers: set[asyncio.Event] = field(default_factory=set)

    @property
    def status(self) -> Status:
        return Status.QUEUED if self.lease is None else Status.RUNNING

    def hold(self, lease: Lease, ends: float, started_at: float | None) -> None:
        self.lease, self.lease_ends, self.started_at = lease, ends, started_at
        self.changed()

    def free(self) -> None:
        self.lease, self.lease_ends, self.started_at, self.progress, self.device_done = (
            None,
            math.inf,
            None,
            None,
            False,
        )
        self.changed()

    def end(self, last: View) -> None:
        self.last = last
        self.changed()

    def drop(self) -> None:
        self.dropped = True
        self.changed()

    def changed(self) -> None:
        for watcher in self.watchers:
            watcher.set()

    async def views(self, look: Callable[[TaskState], View]) -> AsyncIterator[View]:
        """The result of `look` now and after each change, until the task has ended. Changes may be merged."""
        change, previous = asyncio.Event(), None
        self.watchers.add(change)
        try:
            while not self.dropped:
                change.clear()
                view = look(self)
                if view != previous:
                    yield view
                if view.status.final:
                    return
                previous = view
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POSITION_EVERY_S if view.status is Status.QUEUED else None):
                        await change.wait()
        finally:
            self.watchers.discard(change)
