"""Wrong versions of Hua. The checker must catch each, because a checker that never complains proves nothing.

A mutant is a change made to the modules before the roles are forked, and the faults under which it goes wrong. It
replaces private members, for a wrong version differs inside.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from server import queue
from server.api import tasks
from server.controller import callbacks, log_replay
from server.controller.intake import Intake
from server.controller.ordered_window import WaitTurn
from server.controller.settlement import Settlement
from server.egress.client import Reply
from server.queue import DueCallback, Lease, Progress, Queue, Verdict, View, WorkerView
from server.queue.clock import Clock
from server.queue.redis import scripts
from server.queue.redis.queue import RedisQueue
from server.services import Services
from server.storage.bucket import Bucket
from server.storage.manifest import manifest_of
from server.task import Manifest, Outcome, Status, Task
from server.tasks.lookup import TaskRecord, from_manifest
from tests.chaos.faults import Counts
from tests.chaos.run import Plan


@dataclass(frozen=True, slots=True)
class Mutant:
    """`caught`: the invariant that must be seen broken. `faults`: how many of each kind this needs. `plan`: changes of
    the run's plan."""

    change: Callable[[], None]
    caught: str
    faults: dict[str, int]
    plan: dict[str, Any] = field(default_factory=dict)


def last_outcome_wins() -> None:
    """Settles without checking for a manifest."""

    async def settle_anyway(self: Settlement, outcome: Outcome) -> None:
        manifest, due = await self._save(manifest_of(outcome))
        await self._queue.settle(manifest)
        if due is not None:
            await self._queue.add_callback(due)
        await self._on_settled(outcome.task.id)

    Settlement._settle = settle_anyway


def redis_is_the_judge() -> None:
    """Asks the queue instead of the bucket whether a task has ended, although an emptied queue does not know."""
    as_it_is = Settlement._settle

    async def forget(bucket: Bucket, queue: Queue, count: int = 0) -> None:
        pass

    log_replay.restore_finished = forget

    async def settle_by_queue(self: Settlement, outcome: Outcome) -> None:
        view = await self._queue.find(outcome.task.id)
        if view is None or not view.status.final:
            await self._save(manifest_of(outcome))
        await as_it_is(self, outcome)

    Settlement._settle = settle_by_queue


def commits_at_intake() -> None:
    """Commits a task as soon as the queue has it."""
    as_it_is = Intake._ingest

    async def take_in_and_commit(self: Intake, task: Task, turn: WaitTurn) -> None:
        await as_it_is(self, task, turn)
        await self.settled(task.id)

    Intake._ingest = take_in_and_commit


def callbacks_live_in_redis() -> None:
    """Does not store undelivered callbacks in the bucket."""

    async def save(self: Settlement, manifest: Manifest) -> tuple[Manifest, DueCallback | None]:
        await self._bucket.put_manifest(manifest)
        callback = manifest.task.callback
        return manifest, None if callback is None else DueCallback(manifest.task.id, manifest.outcome.finished_at)

    async def deliver(self: callbacks.Callbacks, due: DueCallback) -> None:
        manifest = await self._bucket.manifest(due.task_id)
        if manifest is None:
            return
        reply, _ = await self._post(manifest)
        if 200 <= reply.status < 300:
            await self._queue.drop_callback(due.task_id)
        else:
            await self._queue.add_callback(replace(due, due_at=self._clock() + 0.3))

    Settlement._save, callbacks.Callbacks._deliver = save, deliver


def callbacks_tell_the_time() -> None:
    """The body is not a function of the manifest."""
    as_it_is = callbacks.Callbacks._post

    async def post(self: callbacks.Callbacks, manifest: Manifest) -> tuple[Reply, str]:
        body_of = self._body_of
        self._body_of = lambda manifest: body_of(manifest) + str(time.time()).encode()
        try:
            return await as_it_is(self, manifest)
        finally:
            self._body_of = body_of

    callbacks.Callbacks._post = post


def every_outcome_is_discarded() -> None:
    """Deletes the images of a repeated outcome, although they are the result's."""
    as_it_is = Settlement._settle

    async def settle_and_discard(self: Settlement, outcome: Outcome) -> None:
        repeated = await self._bucket.manifest(outcome.task.id)
        await as_it_is(self, outcome)
        if repeated is not None:
            await self._bucket.delete([image.key for image in outcome.images])

    Settlement._settle = settle_and_discard


def poison_is_never_told() -> None:
    """Retries a task that kills every device without end."""
    scripts.DEATHS_UNTIL_POISON = scripts.DEATHS_AT_MOST = 1000


def no_limit() -> None:
    """Admits every task, without the limit."""
    as_it_is = RedisQueue.admit

    async def admit(self: RedisQueue, task: Task, limit: int) -> View | None:
        return await as_it_is(self, task, 1_000_000)

    RedisQueue.admit = admit


def cancel_is_only_said() -> None:
    """Answers that a task is canceled without writing it to the log."""

    async def cancel(services: Services, record: TaskRecord, wait_s: float = 0) -> TaskRecord:
        if record.view.status.final:
            return record
        outcome = Outcome(task=record.view.task, attempt="", status=Status.CANCELED, finished_at=time.time())
        return from_manifest(Manifest(outcome=outcome, expires_at=time.time()))

    tasks.cancel = cancel


def leases_go_by_the_wall_clock() -> None:
    """A worker decides by its own clock that a lease is lost."""
    lease_as_it_is, heartbeat_as_it_is = RedisQueue.lease, RedisQueue.heartbeat
    good_until: dict[str, float] = {}

    async def lease(
        self: RedisQueue, worker: str, resident: Sequence[str], wait_s: float, fetching: Collection[str] = ()
    ) -> Lease | None:
        found = await lease_as_it_is(self, worker, resident, wait_s, fetching)
        if found is not None:
            good_until[found.token] = time.time() + queue.LEASE_S
        return found

    async def heartbeat(self: RedisQueue, lease: Lease, progress: Progress | None, on_device: bool = True) -> Verdict:
        if time.time() > good_until[lease.token]:
            return Verdict.LOST
        good_until[lease.token] = time.time() + queue.LEASE_S
        return await heartbeat_as_it_is(self, lease, progress, on_device)

    RedisQueue.lease, RedisQueue.heartbeat = lease, heartbeat


def results_go_by_the_wall_clock() -> None:
    """Dates events and retention by the local clock of each process."""
    Clock.__call__ = lambda self: time.time()


def every_worker_takes_every_task() -> None:
    """Announces workers without their models."""
    announce_as_it_is = RedisQueue.announce

    async def announce(self: RedisQueue, worker: WorkerView) -> None:
        await announce_as_it_is(self, replace(worker, models=None))

    RedisQueue.announce = announce


MUTANTS = {
    change.__name__: Mutant(change, caught, *needs)
    for change, caught, *needs in (
        (last_outcome_wins, "I3", {"repeats": 12}),
        (redis_is_the_judge, "I3", {"repeats": 36, "flushes": 4}, {"horizon_s": 12.0}),
        (commits_at_intake, "I2", {}),
        (every_outcome_is_discarded, "I3", {"repeats": 12}),
        (callbacks_live_in_redis, "I6", {"flushes": 3}),
        (callbacks_tell_the_time, "I6", {"controller_kills": 1}),
        (poison_is_never_told, "I11", {}),
        (no_limit, "I8", {}, {"limit": 1}),
        (cancel_is_only_said, "I3", {}, {"canceling": 0.8, "workers": 1}),
        (leases_go_by_the_wall_clock, "I16", {"clock_jumps": 30}, {"workers": 1}),
        (results_go_by_the_wall_clock, "I18", {"clock_jumps": 12}),
        (every_worker_takes_every_task, "pools", {}),
    )
}


def plan(name: str, seed: int) -> Plan:
    """A short run in which the mutant fails. With one worker, tasks wait, and there is always one that runs."""
    usual = Plan(
        seed=seed,
        tasks=24,
        horizon_s=4,
        counts=Counts(**MUTANTS[name].faults),
        workers=2,
        controllers=1,
        tenants=2,
        limit=6,
        poison=1,
        cluster=False,
        failing=0.6,
        patience_s=20,
        mutant=name,
    )
    return replace(usual, **MUTANTS[name].plan)
