"""One unfinished task, as the queue in memory sees it."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from server.queue import Lease, Progress, View
from server.queue.poison import Deaths
from server.task import Status, Task

POSITION_S = 1.0
"""How often who watches a task that waits learns anew where it stands: that changes without it."""


@dataclass(slots=True, eq=False)
class TaskState:
    """Whoever watches a task keeps hold of this, and so sees its `last` view even if the queue has forgotten it."""

    task: Task
    order: int
    """Its place among all tasks that ever came."""
    ingested: bool = False
    waits_since: float = 0.0
    deaths: Deaths = field(default_factory=Deaths)
    parked: str = ""
    lease: Lease | None = None
    made: bool = False
    """The device is done with it."""
    lease_ends: float = math.inf
    started_at: float | None = None
    progress: Progress | None = None
    last: View | None = None
    dropped: bool = False
    """It was never accepted, so there is no last view."""
    watchers: set[asyncio.Event] = field(default_factory=set)

    @property
    def status(self) -> Status:
        return Status.QUEUED if self.lease is None else Status.RUNNING

    def hold(self, lease: Lease, ends: float, started_at: float | None) -> None:
        self.lease, self.lease_ends, self.started_at = lease, ends, started_at
        self.changed()

    def free(self) -> None:
        self.lease, self.lease_ends, self.started_at, self.progress, self.made = None, math.inf, None, None, False
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
        """What `look` sees now and after each change, until it has ended. One change may hide another."""
        change, shown = asyncio.Event(), None
        self.watchers.add(change)
        try:
            while not self.dropped:
                change.clear()
                view = look(self)
                if view != shown:
                    yield view
                if view.status.final:
                    return
                shown = view
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POSITION_S if view.status is Status.QUEUED else None):
                        await change.wait()
        finally:
            self.watchers.discard(change)
