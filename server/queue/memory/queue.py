"""The queue inside one process. Nothing of it survives the process; it is rebuilt from the logs and the bucket.

All methods run on one event loop, and none awaits while it changes state, so each is atomic. Leases use `clock`, which
never jumps; `wall` only dates events.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from dataclasses import replace

from server.queue import (
    COURTESY_S,
    FETCHING_PAUSE_S,
    LEASE_S,
    LOCK_S,
    DueCallback,
    Lease,
    LineView,
    MissingView,
    Overview,
    Progress,
    QueueIncompleteError,
    TaskLimitError,
    Verdict,
    View,
    WorkerView,
)
from server.queue.fair_queue import WEIGHTS, model_of
from server.queue.memory.callbacks import CallbackSchedule
from server.queue.memory.finished_tasks import FinishedTasks
from server.queue.memory.pool_queues import PoolQueues
from server.queue.memory.rate_limit import RateLimiter
from server.queue.memory.task_state import TaskState
from server.queue.memory.unfinished_tasks import UnfinishedTasks
from server.queue.memory.workers import WorkerTable
from server.queue.poison import machine_of, place_of
from server.queue.pools import Pool, group_views
from server.task import Manifest, Priority, Status, Task

MOST_FINISHED = 10_000


class MemoryQueue:
    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        most_finished: int = MOST_FINISHED,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._unfinished = UnfinishedTasks()
        self._finished = FinishedTasks(most_finished)
        self._queue = PoolQueues()
        self._rates = RateLimiter(clock)
        self._workers = WorkerTable(clock, wall)
        self._callbacks = CallbackSchedule()
        self._locks: dict[str, tuple[str, float]] = {}
        """The holder of each lock, and when it loses it by `clock`."""
        self._open = False

    async def time(self) -> float:
        return self._wall()

    async def check(self) -> None:
        if not self._open:
            raise QueueIncompleteError

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
        state = self._unfinished.get(task.id)
        if state is not None and not state.ingested:
            self._remove(state)
            state.drop()

    async def stop(self, task_id: str) -> None:
        state = self._unfinished.get(task_id)
        if state is not None and state.lease is not None:
            ownerless = replace(state.lease, token=uuid.uuid4().hex)
            self._unfinished.hold(state, ownerless, math.inf, state.started_at)

    async def find(self, task_id: str) -> View | None:
        state = self._unfinished.get(task_id)
        return self._view(state) if state else self._finished.get(task_id)

    async def complete(self) -> bool:
        return self._open

    async def recent(self, tenant: str, status: Status | None, page: int, per_page: int) -> tuple[list[View], int]:
        known: list[TaskState | View] = [*self._unfinished.of(tenant), *self._finished.of(tenant)]
        matching = [one for one in known if status is None or one.status is status]
        matching.sort(key=lambda one: one.task.created_at, reverse=True)
        page_of_tasks = matching[(page - 1) * per_page : page * per_page]
        return [self._view(one) if isinstance(one, TaskState) else one for one in page_of_tasks], len(matching)

    async def forgotten(self, task_ids: Sequence[str]) -> list[str]:
        return [each for each in task_ids if each not in self._finished and self._unfinished.get(each) is None]

    def watch(self, task_id: str) -> AsyncIterator[View]:
        state = self._unfinished.get(task_id)
        return state.views(self._view) if state else _only(self._finished.get(task_id))

    async def overview(self) -> Overview:
        self._queue.set_pools(self._workers.pools())
        queued = [state for state in self._unfinished if state.status is Status.QUEUED]
        waiting = [state.task for state in queued if state.ingested]
        workers = self._workers.all()
        return Overview(
            queued=len(queued),
            running=len(self._unfinished) - len(queued),
            queued_cost=sum(state.task.cost for state in queued),
            workers=workers,
            lines=tuple(_line_view(priority, waiting) for priority in WEIGHTS),
            oldest_at=min((task.created_at for task in waiting), default=None),
            missing=self._missing_views(waiting),
            groups=group_views(
                ((worker.group, self._workers.pool(worker.name).id) for worker in workers), self._queue.costs()
            ),
            callbacks=len(self._callbacks),
            callbacks_due=self._callbacks.count(self._wall()),
        )

    def _missing_views(self, waiting: Iterable[Task]) -> tuple[MissingView, ...]:
        needs, missing = (
            defaultdict[tuple[str, ...], list[float]](list),
            defaultdict[tuple[str, ...], list[float]](list),
        )
        for task in waiting:
            needs[task.models].append(task.cost)
        for models, costs in needs.items():
            missing[self._queue.missing(models)] += costs
        return tuple(MissingView(models, len(costs), sum(costs)) for models, costs in sorted(missing.items()) if models)

    async def lock(self, name: str, holder: str) -> bool:
        _, held_until = self._locks.get(name, ("", -math.inf))
        if self._clock() < held_until:
            return False
        self._locks[name] = holder, self._clock() + LOCK_S
        return True

    async def unlock(self, name: str, holder: str) -> None:
        if self._locks.get(name, ("", 0.0))[0] == holder:
            del self._locks[name]

    async def missing(self, models: Collection[str]) -> tuple[str, ...]:
        return self._queue.missing(models)

    # --- controller

    async def lead(self, controller: str) -> bool:
        """There is no other controller in this process."""
        return True

    async def resign(self, controller: str) -> None:
        """See `lead`."""

    async def begin(self) -> None:
        """This queue never loses its state, so one replay is enough."""

    async def unfinished(self) -> list[str]:
        return [state.task.id for state in self._unfinished]

    async def ingest(self, task: Task) -> int | None:
        if task.id in self._finished:
            return None
        state = self._unfinished.get(task.id) or self._unfinished.begin(task)
        if not state.ingested:
            state.ingested = True
            self._wait(state)
        elif task.priority != state.task.priority:
            self._reclass(state, task)
        return (self._view(state).position or None) if self._open else None

    async def settle(self, manifest: Manifest) -> None:
        view = View.from_manifest(manifest)
        self._finished.put(view)
        if state := self._unfinished.get(manifest.task.id):
            self._remove(state)
            state.end(view)

    async def open(self) -> None:
        self._open = True
        self._queue.open()

    async def expired(self) -> list[Lease]:
        self._queue.set_pools(self._workers.pools())
        # the youngest first, so that the oldest ends up at the head
        return [self._expire(state, lease) for state, lease in self._unfinished.expired(self._clock())]

    async def add_callback(self, callback: DueCallback) -> None:
        self._callbacks.put(callback)

    async def next_callbacks(self, now: float, count: int) -> list[DueCallback]:
        return self._callbacks.take(now, count)

    async def drop_callback(self, task_id: str) -> None:
        self._callbacks.drop(task_id)

    # --- worker

    async def announce(self, worker: WorkerView) -> None:
        former = self._workers.pool(worker.name)
        self._workers.announce(worker)
        if self._workers.pool(worker.name) != former:
            self._queue.wake(former)
        self._queue.set_pools(self._workers.pools())

    async def lease(
        self, worker: str, resident: Sequence[str], wait_s: float, fetching: Collection[str] = ()
    ) -> Lease | None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while True:
                    pool = self._workers.pool(worker)
                    await self._queue.filled(pool).wait()
                    if self._workers.pool(worker) != pool:
                        continue
                    preferred = () if self._workers.must_pick_fairly(worker) else resident
                    task = self._queue.choose(pool, preferred, fetching)
                    if task is None or (state := self._unfinished.get(task.id)) is None:
                        await asyncio.sleep(FETCHING_PAUSE_S)
                        continue
                    if (courtesy_s := self._courtesy(state, resident)) > 0:
                        await asyncio.sleep(courtesy_s)
                        continue
                    return self._grant(state, worker, pool)
        return None

    async def heartbeat(self, lease: Lease, progress: Progress | None, on_device: bool = True) -> Verdict:
        state = self._unfinished.held_by(lease)
        if state is None:
            return Verdict.LOST
        if state.lease_ends < math.inf:
            state.lease_ends = self._clock() + LEASE_S
        state.device_done = state.device_done or not on_device
        if progress is not None:
            state.progress = progress
            state.changed()
        return Verdict.OK

    async def give_back(self, lease: Lease, parked: str = "") -> None:
        if state := self._unfinished.held_by(lease):
            state.parked = parked or state.parked
            self._take_back(state)

    async def died(self, lease: Lease) -> bool:
        state = self._unfinished.held_by(lease)
        if state is None:
            return True
        state.deaths.add(place_of(lease.worker))
        state.parked = ""
        if state.deaths.poison:
            return False
        self._take_back(state)
        return True

    async def finishing(self, lease: Lease) -> None:
        if state := self._unfinished.held_by(lease):
            state.lease_ends = math.inf

    async def close(self) -> None:
        """There is nothing to close."""

    # --- the life of a task

    def _wait(self, state: TaskState) -> None:
        state.waits_since = self._clock()
        self._queue.add(state.task, state.order)

    def _reclass(self, state: TaskState, task: Task) -> None:
        """The task is in the log once more, with another priority."""
        self._queue.remove(task.id)
        state.task = task
        if state.lease is None:
            self._queue.add(task, state.order)
        state.changed()

    def _courtesy(self, state: TaskState, resident: Sequence[str]) -> float:
        """Seconds for which this worker leaves the task to workers that have its model."""
        model = model_of(state.task)
        if not resident or not model or model in resident:
            return 0
        return state.waits_since + COURTESY_S - self._clock()

    def _grant(self, state: TaskState, worker: str, pool: Pool) -> Lease:
        self._queue.take(state.task, pool)
        self._workers.count_pick(worker)
        lease = Lease(state.task, uuid.uuid4().hex, worker, state.deaths.count, state.parked)
        self._unfinished.hold(state, lease, self._clock() + LEASE_S, self._wall())
        return lease

    def _take_back(self, state: TaskState) -> None:
        self._unfinished.free(state)
        self._wait(state)

    def _expire(self, state: TaskState, lease: Lease) -> Lease:
        """Ends an expired lease. A poisoned task is not leased again, but a controller must fail it, so its lease is
        returned again after LEASE_S in case that controller dies."""
        if not state.device_done:
            state.deaths.add(machine_of(lease.worker))
        state.parked = ""
        lease = replace(lease, deaths=state.deaths.count, poison=state.deaths.poison)
        if lease.poison:
            lease = replace(lease, token=uuid.uuid4().hex)
            self._unfinished.hold(state, lease, self._clock() + LEASE_S, state.started_at)
        else:
            self._take_back(state)
        return lease

    def _remove(self, state: TaskState) -> None:
        self._unfinished.remove(state)
        self._queue.remove(state.task.id)

    def _view(self, state: TaskState) -> View:
        return state.last or View(
            task=state.task,
            status=state.status,
            position=self._queue.position(state.task, state.order) if state.lease is None else 0,
            missing=self._queue.missing(state.task.models) if state.lease is None else (),
            started_at=state.started_at,
            progress=state.progress,
            worker=state.lease.worker if state.lease else "",
            accepted=state.ingested,
        )


def _line_view(priority: Priority, waiting: Sequence[Task]) -> LineView:
    costs = [task.cost for task in waiting if task.priority == priority]
    return LineView(priority, len(costs), sum(costs))


async def _only(view: View | None) -> AsyncIterator[View]:
    if view is not None:
        yield view
