"""The queue inside one process: nothing of it survives, all of it is read again from the logs and the bucket.

Everything runs on one event loop, and no method awaits while it changes something, so each is atomic. Leases are timed
by `clock`, which never jumps; `wall` only writes down when things happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from server.queue import (
    COURTESY_S,
    LEASE_S,
    DueCallback,
    Lease,
    LineView,
    Overview,
    Progress,
    QueueIncompleteError,
    TaskLimitError,
    Verdict,
    View,
    WorkerView,
)
from server.queue.fair_queue import WEIGHTS, FairQueue, model_of
from server.queue.memory.callbacks import CallbackSchedule
from server.queue.memory.finished_tasks import FinishedTasks
from server.queue.memory.rate_limit import RateLimiter
from server.queue.memory.task_state import TaskState
from server.queue.memory.unfinished_tasks import UnfinishedTasks
from server.queue.memory.workers import WorkerTable
from server.queue.poison import machine_of, place_of
from server.task import Manifest, Priority, Status, Task

ENDED_KEPT = 10_000


class MemoryQueue:
    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        ended_kept: int = ENDED_KEPT,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._unfinished = UnfinishedTasks()
        self._ended = FinishedTasks(ended_kept)
        self._line = FairQueue()
        self._rates = RateLimiter(clock)
        self._crew = WorkerTable(clock, wall)
        self._due = CallbackSchedule()
        self._open = False
        self._leasable = asyncio.Event()

    async def time(self) -> float:
        return self._wall()

    # --- api

    async def spend(self, tenant: str, per_minute: float, burst: int) -> None:
        self._rates.spend(tenant, per_minute, burst)

    async def admit(self, task: Task, limit: int) -> View | None:
        if known := await self.find(task.id):
            return known
        if not self._open:
            raise QueueIncompleteError
        if len(self._unfinished.of(task.tenant)) >= limit:
            raise TaskLimitError(limit)
        self._unfinished.begin(task)
        return None

    async def retract(self, task: Task) -> None:
        live = self._unfinished.get(task.id)
        if live is not None and not live.ingested:
            self._remove(live)
            live.drop()

    async def stop(self, task_id: str) -> None:
        live = self._unfinished.get(task_id)
        if live is not None and live.lease is not None:
            nobodys = replace(live.lease, token=uuid.uuid4().hex)
            self._unfinished.hold(live, nobodys, math.inf, live.started_at)

    async def find(self, task_id: str) -> View | None:
        live = self._unfinished.get(task_id)
        return self._view(live) if live else self._ended.get(task_id)

    async def complete(self) -> bool:
        return self._open

    async def recent(self, tenant: str, status: Status | None, page: int, per_page: int) -> tuple[list[View], int]:
        known: list[TaskState | View] = [*self._unfinished.of(tenant), *self._ended.of(tenant)]
        wanted = [one for one in known if status is None or one.status is status]
        wanted.sort(key=lambda one: one.task.created_at, reverse=True)
        shown = wanted[(page - 1) * per_page : page * per_page]
        return [self._view(one) if isinstance(one, TaskState) else one for one in shown], len(wanted)

    def watch(self, task_id: str) -> AsyncIterator[View]:
        live = self._unfinished.get(task_id)
        return live.views(self._view) if live else _only(self._ended.get(task_id))

    async def overview(self) -> Overview:
        queued = [live for live in self._unfinished if live.status is Status.QUEUED]
        waiting = [live.task for live in queued if live.ingested]
        return Overview(
            queued=len(queued),
            running=len(self._unfinished) - len(queued),
            queued_cost=sum(live.task.cost for live in queued),
            workers=self._crew.present(),
            lines=tuple(_line(priority, waiting) for priority in WEIGHTS),
            oldest_at=min((task.created_at for task in waiting), default=None),
            callbacks=len(self._due),
            callbacks_due=self._due.count(self._wall()),
        )

    # --- controller

    async def lead(self, controller: str) -> bool:
        """There is no other in this process."""
        return True

    async def resign(self, controller: str) -> None:
        """See `lead`."""

    async def begin(self) -> None:
        """It is emptied only when it ends, so one reading is enough."""

    async def unfinished(self) -> list[str]:
        return [live.task.id for live in self._unfinished]

    async def ingest(self, task: Task) -> int | None:
        if task.id in self._ended:
            return None
        live = self._unfinished.get(task.id) or self._unfinished.begin(task)
        if not live.ingested:
            live.ingested = True
            self._wait(live)
        return (self._view(live).position or None) if self._open else None

    async def settle(self, manifest: Manifest) -> None:
        view = View.settled(manifest)
        self._ended.put(view)
        if live := self._unfinished.get(manifest.task.id):
            self._remove(live)
            live.end(view)

    async def open(self) -> None:
        self._open = True
        self._ring()

    async def expired(self) -> list[Lease]:
        # youngest first, so that the oldest ends up at the very head of its line
        return [self._bury(live, lease) for live, lease in self._unfinished.silent(self._clock())]

    async def add_callback(self, callback: DueCallback) -> None:
        self._due.put(callback)

    async def next_callbacks(self, now: float, count: int) -> list[DueCallback]:
        return self._due.take(now, count)

    async def drop_callback(self, task_id: str) -> None:
        self._due.drop(task_id)

    # --- worker

    async def announce(self, worker: WorkerView) -> None:
        self._crew.heard(worker)

    async def lease(self, worker: str, resident: Sequence[str], wait_s: float) -> Lease | None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while True:
                    await self._leasable.wait()
                    task = self._line.choose(() if self._crew.owes_fairness(worker) else resident)
                    if task is None or (live := self._unfinished.get(task.id)) is None:
                        continue
                    if (courtesy_s := self._courtesy(live, resident)) > 0:
                        await asyncio.sleep(courtesy_s)
                        continue
                    return self._grant(live, worker)
        return None

    async def heartbeat(self, lease: Lease, progress: Progress | None, on_device: bool = True) -> Verdict:
        live = self._unfinished.held_by(lease)
        if live is None:
            return Verdict.LOST
        if live.lease_ends < math.inf:
            live.lease_ends = self._clock() + LEASE_S
        live.made = live.made or not on_device
        if progress is not None:
            live.progress = progress
            live.changed()
        return Verdict.OK

    async def give_back(self, lease: Lease, parked: str = "") -> None:
        if live := self._unfinished.held_by(lease):
            live.parked = parked or live.parked
            self._take_back(live)

    async def died(self, lease: Lease) -> bool:
        live = self._unfinished.held_by(lease)
        if live is None:
            return True
        live.deaths.add(place_of(lease.worker))
        live.parked = ""
        if live.deaths.poison:
            return False
        self._take_back(live)
        return True

    async def finishing(self, lease: Lease) -> None:
        if live := self._unfinished.held_by(lease):
            live.lease_ends = math.inf

    async def close(self) -> None:
        """Nothing is held that would have to be let go."""

    # --- the life of a task

    def _wait(self, live: TaskState) -> None:
        live.waits_since = self._clock()
        self._line.add(live.task, live.order)
        self._ring()

    def _courtesy(self, live: TaskState, resident: Sequence[str]) -> float:
        """How many more seconds a worker waits for another to take this task."""
        model = model_of(live.task)
        if not resident or not model or model in resident:
            return 0
        return live.waits_since + COURTESY_S - self._clock()

    def _grant(self, live: TaskState, worker: str) -> Lease:
        self._line.take(live.task)
        self._crew.picked(worker)
        lease = Lease(live.task, uuid.uuid4().hex, worker, live.deaths.count, live.parked)
        self._unfinished.hold(live, lease, self._clock() + LEASE_S, self._wall())
        self._ring()
        return lease

    def _take_back(self, live: TaskState) -> None:
        self._unfinished.free(live)
        self._wait(live)

    def _bury(self, live: TaskState, lease: Lease) -> Lease:
        """What `expired` tells of a lease. After the last death nobody works on the task, but somebody must fail it:
        it is told again, a lease's time later, in case whoever was told died too."""
        if not live.made:
            live.deaths.add(machine_of(lease.worker))
        live.parked = ""
        lease = replace(lease, deaths=live.deaths.count, poison=live.deaths.poison)
        if lease.poison:
            lease = replace(lease, token=uuid.uuid4().hex)
            self._unfinished.hold(live, lease, self._clock() + LEASE_S, live.started_at)
        else:
            self._take_back(live)
        return lease

    def _remove(self, live: TaskState) -> None:
        self._unfinished.remove(live)
        self._line.remove(live.task.id)
        self._ring()

    def _ring(self) -> None:
        """`_leasable` is set exactly while there is something to lease."""
        if self._open and self._line:
            self._leasable.set()
        else:
            self._leasable.clear()

    def _view(self, live: TaskState) -> View:
        return live.last or View(
            task=live.task,
            status=live.status,
            position=self._line.ahead(live.task, live.order) + 1 if live.lease is None else 0,
            started_at=live.started_at,
            progress=live.progress,
            worker=live.lease.worker if live.lease else "",
            accepted=live.ingested,
        )


def _line(priority: Priority, waiting: Sequence[Task]) -> LineView:
    costs = [task.cost for task in waiting if task.priority == priority]
    return LineView(priority, len(costs), sum(costs))


async def _only(view: View | None) -> AsyncIterator[View]:
    if view is not None:
        yield view
