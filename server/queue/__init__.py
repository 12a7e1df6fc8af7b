"""The queue is live state: what waits, who holds a lease, limits, progress, due callbacks.

It may be wiped at any moment: it decides who works on what and when, never what became of a task. Whatever it knows
is read again from the logs and the bucket.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from server.task import Manifest, Priority, Status, Task

LEASE_S = 30.0
HEARTBEAT_S = 5.0
LEAD_S = 10.0
COURTESY_S = 0.03
"""Longer than an idle worker that has the model takes to be first, and nothing beside loading it (Zaharia et al.,
"Delay Scheduling", 2010)."""


class TaskLimitError(Exception):
    """The tenant has as many unfinished tasks as it may have."""

    code = 7001

    def __init__(self, limit: int) -> None:
        super().__init__(f"task limit: {limit} tasks are unfinished already; wait for one to end, or cancel one")
        self.limit = limit


class RateLimitError(Exception):
    """The tenant hands in tasks faster than it may."""

    def __init__(self, per_minute: float, wait_s: float) -> None:
        super().__init__(
            f"rate limit: {per_minute:g} tasks a minute may be handed in; try again in {wait_s:.1f} seconds"
        )
        self.retry_after_s = wait_s
        self.headers = {"Retry-After": str(math.ceil(wait_s))}


class QueueUnavailableError(Exception):
    """The queue cannot be reached now; trying again later is right."""


class QueueIncompleteError(QueueUnavailableError):
    """It was emptied, or has just been started, and knows too little to say yes or no."""

    def __init__(self) -> None:
        super().__init__(
            "the logs are still being read after a start; ask again in a moment, or see that a controller runs"
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running task is. `preview` is a small JPEG, or empty."""

    step: int
    steps: int
    preview: bytes = b""


@dataclass(frozen=True, slots=True)
class View:
    """What the queue knows of a task right now."""

    task: Task
    status: Status
    position: int = 0
    """Tasks ahead of it, plus one; 0 unless queued."""
    started_at: float | None = None
    finished_at: float | None = None
    progress: Progress | None = None
    worker: str = ""
    stale: bool = False
    """The queue came back with less than it knew, and reads the logs again: the task may have ended since."""
    accepted: bool = True
    """False while nobody has said that it is in the log: whoever was about to write it there may have died."""

    @classmethod
    def settled(cls, manifest: Manifest) -> View:
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
    """One worker's right to work on one task, until it expires. `token` names the attempt."""

    task: Task
    token: str
    worker: str
    deaths: int = 0
    """How many devices died while they worked on this task; above 0 it is run alone."""
    parked: str = ""
    """The key in the bucket of where an earlier attempt stood, if it was given back so."""
    poison: bool = False
    """Of one that ran out: that was one death too many (server/queue/poison.py)."""


class Verdict(Enum):
    """What a heartbeat answers."""

    OK = "ok"
    LOST = "lost"
    """Somebody else holds the task, or it has ended (also: it was canceled). Stop, and keep nothing."""


@dataclass(frozen=True, slots=True)
class WorkerView:
    """What a worker says of itself with each heartbeat."""

    name: str
    device: str
    resident: tuple[str, ...] = ()
    running: int = 0
    room: int = 0
    state: str = "ready"
    """starting | ready | draining"""
    memory_bytes: int = 0
    pace_s: float = 0.0
    """Seconds of its device that a unit of cost takes; 0 until it has measured that."""
    seen_at: float = 0.0


@dataclass(frozen=True, slots=True)
class DueCallback:
    task_id: str
    due_at: float
    tries: int = 0


@dataclass(frozen=True, slots=True)
class LineView:
    """What waits in one priority class."""

    priority: Priority
    count: int
    cost: float


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of the whole queue, for pages and metrics."""

    queued: int
    running: int
    queued_cost: float
    workers: tuple[WorkerView, ...] = field(default=())
    lines: tuple[LineView, ...] = field(default=())
    """Every class, also one in which nothing waits. What is not in the log yet is queued and in no line."""
    oldest_at: float | None = None
    """When the task was accepted, unix time, that waits longest."""
    callbacks: int = 0
    callbacks_due: int = 0


class Queue(Protocol):
    async def time(self) -> float:
        """Unix seconds, by the clock that all who share this queue go by."""

    # --- api
    async def spend(self, tenant: str, per_minute: float, burst: int) -> None:
        """Takes a token out of the tenant's bucket of `burst`, which fills at `per_minute`; raises RateLimitError."""

    async def admit(self, task: Task, limit: int) -> View | None:
        """Takes one of the tenant's `limit` slots for `task`, before it is published; raises TaskLimitError, and
        QueueIncompleteError until the logs have been read: how many slots are taken, only they know.

        Answers the View of the task instead if one of this id is known already (an Idempotency-Key used twice); unless
        that says that it is accepted, the caller has to publish it too.
        An admitted task is not handed out until it is ingested.
        """

    async def retract(self, task: Task) -> None:
        """Gives the slot back: publishing failed."""

    async def stop(self, task_id: str) -> None:
        """Tells whoever works on a task to stop: how it ended is in the log, and only has to be settled."""

    async def find(self, task_id: str) -> View | None:
        """What is known of a task; settled tasks are forgotten some time after they ended."""

    async def complete(self) -> bool:
        """Whether the logs have been read since it was last emptied, so that a task it does not know has ended or
        never was."""

    async def recent(self, tenant: str, status: Status | None, page: int, per_page: int) -> tuple[list[View], int]:
        """A page (from 1) of the tenant's tasks, newest first, and how many there are in all."""

    def watch(self, task_id: str) -> AsyncIterator[View]:
        """The task's view now and after each change, until it is final. Slow readers miss views, never the last one."""
        ...

    async def overview(self) -> Overview: ...

    # --- controller
    async def lead(self, controller: str) -> bool:
        """Takes or renews, for LEAD_S, the right to read the logs into this queue; False while another has it."""

    async def resign(self, controller: str) -> None:
        """Leaves the lead, if it has it, to whoever asks next."""

    async def begin(self) -> None:
        """The logs are about to be read, from where they were committed."""

    async def unfinished(self) -> list[str]:
        """The ids of all tasks that have not ended, as far as it knows."""

    async def ingest(self, task: Task) -> int | None:
        """Makes a task from the log ready to be leased. Idempotent; does nothing for a settled one.

        Answers its position, or None if it waits no more, or while the logs are read: then `find` knows more.
        """

    async def settle(self, manifest: Manifest) -> None:
        """The task has ended: frees the slot, ends any lease, wakes watchers. Idempotent."""

    async def open(self) -> None:
        """The logs have been read to their end: leases may be given out from now on, and the queue is complete. Those
        that are held get a lease's time: who holds them may not have been heard for a while.

        Does nothing if the queue was emptied since `begin`: then it is not complete, and the logs are to be read again.
        """

    async def expired(self) -> list[Lease]:
        """Leases that ran out since last asked, a death counted if the device still had the task. Their tasks wait
        again, unless they are `poison`: then they are the caller's to fail, and told again until somebody has."""

    async def add_callback(self, callback: DueCallback) -> None: ...

    async def next_callbacks(self, now: float, count: int) -> list[DueCallback]:
        """Up to `count` callbacks that are due, each hidden for a minute, so that two senders do not both send it."""

    async def drop_callback(self, task_id: str) -> None: ...

    # --- worker
    async def announce(self, worker: WorkerView) -> None:
        """Says that a worker lives; one that stays silent for a lease's time disappears from the overview."""

    async def lease(self, worker: str, resident: Sequence[str], wait_s: float) -> Lease | None:
        """The next task for this worker, waiting up to `wait_s`; its status becomes running.

        Fair between tenants by cost and weight, by priority class, tasks whose models are `resident` preferred; every
        eighth pick ignores residence, so that nobody starves. A worker that has models, but not the one of its task,
        lets others go first until the task has waited for COURTESY_S.
        """

    async def heartbeat(self, lease: Lease, progress: Progress | None, on_device: bool = True) -> Verdict:
        """Renews the lease for another LEASE_S and records progress. A task that is not `on_device` any more is not
        what its worker dies of, and no death is counted."""

    async def give_back(self, lease: Lease, parked: str = "") -> None:
        """Puts the task back at the head of its line, no death counted: the worker is leaving. The next lease tells
        where it stood, unless a device dies of it meanwhile."""

    async def died(self, lease: Lease) -> bool:
        """The device died under this task. True: it waits again. False: that was one death too many; fail it."""

    async def finishing(self, lease: Lease) -> None:
        """The outcome is in the log: the lease no longer expires."""

    async def close(self) -> None: ...
