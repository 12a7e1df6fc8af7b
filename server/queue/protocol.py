"""The queue is live state: what waits, who holds a lease, limits, progress, due callbacks.

It may lose its state at any moment. It decides who works on what and when, never what happened to a task. Its state is
rebuilt from the logs and the bucket.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from server.task import Manifest, Priority, Status, Task

LEASE_S = 30.0
HEARTBEAT_S = 5.0
LEAD_S = 10.0
LOCK_S = 60.0
COURTESY_S = 0.03
"""Seconds for which a worker leaves a task to workers that have its model loaded: longer than an idle one needs to take
it, and short beside loading the model (Zaharia et al., "Delay Scheduling", 2010)."""
FETCHING_PAUSE_S = 0.05
"""How often a worker looks again while only tasks wait that it leaves to others."""


class TaskLimitError(Exception):
    """The tenant has reached its limit of unfinished tasks."""

    code = 7001

    def __init__(self, limit: int) -> None:
        super().__init__(f"task limit: {limit} tasks are unfinished; wait until one ends, or cancel one")
        self.limit = limit


class RateLimitError(Exception):
    """The tenant submits tasks faster than its rate limit."""

    def __init__(self, per_minute: float, wait_s: float) -> None:
        super().__init__(
            f"rate limit: {per_minute:g} tasks a minute may be submitted; try again in {wait_s:.1f} seconds"
        )
        self.retry_after_s = wait_s
        self.headers = {"Retry-After": str(math.ceil(wait_s))}


class QueueUnavailableError(Exception):
    """The queue cannot be reached now; try again later."""


class QueueIncompleteError(QueueUnavailableError):
    """The queue has lost its state or was just started, and the logs have not been read yet."""

    def __init__(self) -> None:
        super().__init__(
            "the logs are still being read after a start; try again in a moment, or check that a controller runs"
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a running task. `preview` is a small JPEG, or empty."""

    step: int
    steps: int
    preview: bytes = b""


@dataclass(frozen=True, slots=True)
class View:
    """What the queue knows about a task now."""

    task: Task
    status: Status
    position: int = 0
    """The number of tasks before it, plus one; 0 unless queued, and while no live worker can serve it."""
    missing: tuple[str, ...] = ()
    """Its models that no live worker has; all of them if no worker has them together. It waits until one comes."""
    started_at: float | None = None
    finished_at: float | None = None
    progress: Progress | None = None
    worker: str = ""
    stale: bool = False
    """The queue has lost state and the logs are being read again, so the task may have ended."""
    accepted: bool = True
    """False until the task is known to be in the log; the api that publishes it may have died."""

    @classmethod
    def from_manifest(cls, manifest: Manifest) -> View:
        """The view of a task that has ended."""
        outcome = manifest.outcome
        return cls(
            task=outcome.task,
            status=outcome.status,
            started_at=outcome.started_at,
            finished_at=outcome.finished_at,
            worker=outcome.worker,
        )


@dataclass(frozen=True, slots=True)
class Lease:
    """One worker's right to run one task, until it expires."""

    task: Task
    token: str
    """The attempt's id."""
    worker: str
    deaths: int = 0
    """Devices that died while they ran this task. Above 0 it runs alone."""
    parked: str = ""
    """The bucket key of a snapshot by an earlier attempt; empty if there is none."""
    poison: bool = False
    """The lease has expired, and the task has killed too many workers (server/queue/poison.py)."""


class Verdict(Enum):
    """The answer to a heartbeat."""

    OK = "ok"
    LOST = "lost"
    """Another worker has the task, or it has ended or was canceled. Stop, and store nothing."""


@dataclass(frozen=True, slots=True)
class WorkerView:
    """What a worker reports about itself with each heartbeat."""

    name: str
    device: str
    resident: tuple[str, ...] = ()
    running: int = 0
    room: int = 0
    state: str = "ready"
    """starting | ready | draining"""
    memory_bytes: int = 0
    pace_s: float = 0.0
    """Device seconds per unit of cost; 0 until it is measured."""
    problem: str = ""
    """Why its device is not ready, for people; empty if it is."""
    models: frozenset[str] | None = None
    """The names of the models that it has, the broken ones too. None: it does not say, and takes every task."""
    broken: Mapping[str, str] = field(default_factory=dict)
    """Models that it could not load, and why."""
    group: str = ""
    """The name of the workers that are scaled together with it; empty: it does not say."""
    seen_at: float = 0.0


@dataclass(frozen=True, slots=True)
class DueCallback:
    task_id: str
    due_at: float
    tries: int = 0


@dataclass(frozen=True, slots=True)
class LineView:
    """The waiting tasks of one priority class."""

    priority: Priority
    count: int
    cost: float


@dataclass(frozen=True, slots=True)
class MissingView:
    """Waiting tasks that no live worker can serve, by the models that they miss."""

    models: tuple[str, ...]
    count: int
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class GroupView:
    """The waiting tasks that the workers of a group can serve. Other groups may be able to serve them, too."""

    name: str
    cost: float


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of the whole queue, for pages and metrics."""

    queued: int
    running: int
    queued_cost: float
    workers: tuple[WorkerView, ...] = field(default=())
    lines: tuple[LineView, ...] = field(default=())
    """All classes, also empty ones. A task that is not in the log yet is queued, but in no class."""
    oldest_at: float | None = None
    """Unix time at which the longest-waiting task was accepted."""
    missing: tuple[MissingView, ...] = field(default=())
    groups: tuple[GroupView, ...] = field(default=())
    """All groups that have a live worker, by name."""
    callbacks: int = 0
    callbacks_due: int = 0


class Queue(Protocol):
    async def time(self) -> float:
        """Unix seconds, by the clock that all roles use."""

    async def check(self) -> None:
        """Whether a task could be admitted now. Raises QueueUnavailableError, QueueIncompleteError if not."""

    # --- api
    async def spend(self, tenant: str, per_minute: float, burst: int) -> None:
        """Takes a token from the tenant's bucket of `burst`, which refills at `per_minute`. Raises RateLimitError."""

    async def admit(self, task: Task, limit: int) -> View | None:
        """Reserves one of the tenant's `limit` slots for `task`, before it is published.

        Raises TaskLimitError; or QueueIncompleteError until the logs have been read, because the number of used slots
        is not known before. If a task with this id is known (an Idempotency-Key used twice), returns its View instead;
        unless that is accepted, the caller must publish the task too. A task is not leased before it is ingested.
        """

    async def retract(self, task: Task) -> None:
        """Frees the slot, because publishing failed."""

    async def stop(self, task_id: str) -> None:
        """Ends the lease of a task whose outcome is in the log, so that its worker stops."""

    async def find(self, task_id: str) -> View | None:
        """The view of a task; settled tasks are dropped some time after they ended."""

    async def complete(self) -> bool:
        """Whether the logs have been read since the queue last lost its state: an unknown task has then ended, or never
        existed."""

    async def recent(self, tenant: str, status: Status | None, page: int, per_page: int) -> tuple[list[View], int]:
        """A page (from 1) of the tenant's tasks, newest first, and the number of all of them."""

    async def forgotten(self, task_ids: Sequence[str]) -> list[str]:
        """Those of the ids that `find` and `recent` do not know, in the same order."""

    def watch(self, task_id: str) -> AsyncIterator[View]:
        """The task's view now and after each change, until it is final. Slow readers may miss views, never the last."""
        ...

    async def overview(self) -> Overview: ...

    async def lock(self, name: str, holder: str) -> bool:
        """Takes a lock for LOCK_S; False while another holder has it. A queue that loses its state loses the locks."""

    async def unlock(self, name: str, holder: str) -> None:
        """Gives up a lock; does nothing if another holder has it."""

    async def missing(self, models: Collection[str]) -> tuple[str, ...]:
        """The models that a task with all of these would have to wait for, because no live worker has them.

        Empty while no worker lives, because it is not known what the next one has.
        """

    # --- controller
    async def lead(self, controller: str) -> bool:
        """Takes or renews, for LEAD_S, the leadership: the right to read the logs. False while another leads."""

    async def resign(self, controller: str) -> None:
        """Gives up the leadership."""

    async def begin(self) -> None:
        """Called before the logs are read from the committed offsets."""

    async def unfinished(self) -> list[str]:
        """The ids of all tasks that have not ended, as far as the queue knows."""

    async def ingest(self, task: Task) -> int | None:
        """Makes a task from the log ready to be leased. Idempotent; does nothing for a settled task. A task that is in
        the log with another priority once more gets that one, and keeps its place by age.

        Returns its position; or None if it no longer waits, no live worker can serve it, or the logs are being read.
        """

    async def settle(self, manifest: Manifest) -> None:
        """Ends a task: frees its slot, ends any lease, wakes watchers. Idempotent."""

    async def open(self) -> None:
        """The logs have been read: the queue is complete, and tasks may be leased. Existing leases are renewed, because
        heartbeats may not have arrived for a while.

        Does nothing if the queue has lost its state since `begin`: the logs must then be read again.
        """

    async def expired(self) -> list[Lease]:
        """Leases that expired since the last call. A death is counted if the device still had the task.

        Their tasks wait again, unless the lease is `poison`: the caller must then fail the task, and the lease is
        returned again until it has.
        """

    async def add_callback(self, callback: DueCallback) -> None: ...

    async def next_callbacks(self, now: float, count: int) -> list[DueCallback]:
        """Up to `count` due callbacks. Each is hidden for a minute, so that only one controller sends it."""

    async def drop_callback(self, task_id: str) -> None: ...

    # --- worker
    async def announce(self, worker: WorkerView) -> None:
        """Reports that a worker lives, and what it has, before it leases.

        Without this for LEASE_S it disappears from the overview, and tasks that no other worker can serve wait.
        """

    async def lease(
        self, worker: str, resident: Sequence[str], wait_s: float, fetching: Collection[str] = ()
    ) -> Lease | None:
        """The next task for this worker, waiting up to `wait_s` for one. Its status becomes running.

        The worker fetches enough for the tenants `fetching`: of their tasks it takes only those that fetch nothing.

        It gets only tasks whose models it has announced. Among these the choice is fair between priority classes, and
        between tenants by cost and weight. Tasks whose models are `resident` are preferred, except at every eighth
        pick, so that no task starves. A worker with other models on its device leaves a task to others until it has
        waited for COURTESY_S.
        """

    async def heartbeat(self, lease: Lease, progress: Progress | None, on_device: bool = True) -> Verdict:
        """Renews the lease for LEASE_S and records progress. Once a task is not `on_device`, a death of its worker does
        not count against it."""

    async def give_back(self, lease: Lease, parked: str = "") -> None:
        """Puts the task back at the head of the queue, because the worker drains. No death is counted.

        The next lease has the snapshot key `parked`, unless a device dies of the task meanwhile.
        """

    async def died(self, lease: Lease) -> bool:
        """The device died while it ran this task. True: the task waits again. False: it is poison; fail it."""

    async def finishing(self, lease: Lease) -> None:
        """The outcome is in the log, so the lease no longer expires."""

    async def close(self) -> None: ...
