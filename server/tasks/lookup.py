"""All that is known of one task: the queue's view of it, and the manifest once it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass

from server.queue import QueueIncompleteError, QueueUnavailableError, View
from server.services import Services
from server.storage.bucket import BucketUnavailableError
from server.task import Manifest, Outcome, Status

_ID = re.compile(r"[0-9a-f]{32}")


class UnknownTaskError(Exception):
    """No task of this tenant has this id; those of others are not told apart from none."""

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"there is no task {task_id[:64]!r}; give the id that its submission answered. "
            "Results are kept for 40 days at most"
        )


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """`manifest` is there exactly if the view's status is final."""

    view: View
    manifest: Manifest | None = None


def from_manifest(manifest: Manifest) -> TaskRecord:
    """The record of a task that the queue may have forgotten."""
    return TaskRecord(View.settled(manifest), manifest)


async def find_record(services: Services, task_id: str, tenant: str) -> TaskRecord:
    """Raises UnknownTaskError."""
    if not _ID.fullmatch(task_id):
        raise UnknownTaskError(task_id)
    view = await services.queue.find(task_id)
    record = await _known(services, view) if view else await _forgotten(services, task_id)
    if record.view.task.tenant != tenant:
        raise UnknownTaskError(task_id)
    return record


async def _known(services: Services, view: View) -> TaskRecord:
    """The record of a task that the queue knows; what has ended has ended, even if the queue lost sight of that."""
    manifest = await services.bucket.manifest(view.task.id) if view.stale else None
    return from_manifest(manifest) if manifest is not None else await load_record(services, view)


async def _forgotten(services: Services, task_id: str) -> TaskRecord:
    """The record of a task that the queue does not know; raises QueueIncompleteError while it may yet learn of it."""
    knows_all = await services.queue.complete()
    manifest = await services.bucket.manifest(task_id)
    if manifest is not None:
        return from_manifest(manifest)
    if not knows_all:
        raise QueueIncompleteError
    raise UnknownTaskError(task_id)


async def load_record(services: Services, view: View) -> TaskRecord:
    """The record of a view; raises UnknownTaskError if the task ended so long ago that its manifest was swept."""
    return from_manifest(await _manifest(services, view.task.id)) if view.status.final else TaskRecord(view)


async def _manifest(services: Services, task_id: str) -> Manifest:
    manifest = await services.bucket.manifest(task_id)
    if manifest is None:
        raise UnknownTaskError(task_id)
    return manifest


async def wait_until_ended(services: Services, record: TaskRecord, wait_s: float) -> TaskRecord:
    """The record once the task has ended, or as it is after `wait_s` seconds; as it was, if nobody can tell.

    Who waits has handed something in or canceled it, and that is done: were it answered with an error, it would be done
    a second time.
    """
    if record.view.status.final:
        return record
    task = record.view.task
    with contextlib.suppress(TimeoutError, QueueUnavailableError):
        async with asyncio.timeout(wait_s):
            async for _ in services.queue.watch(task.id):
                pass
    with contextlib.suppress(QueueUnavailableError, BucketUnavailableError):
        return await find_record(services, task.id, task.tenant)
    return record


async def cancel(services: Services, record: TaskRecord, wait_s: float) -> TaskRecord:
    """Ends a task unless it has ended already: the first outcome in the log wins, and this may be it.

    Raises BrokerUnavailableError.
    """
    if record.view.status.final:
        return record
    outcome = Outcome(
        task=record.view.task,
        attempt="",
        status=Status.CANCELED,
        started_at=record.view.started_at,
        finished_at=services.clock(),
    )
    await services.broker.publish_outcome(outcome)
    with contextlib.suppress(QueueUnavailableError):  # a worker that is not told now is told when this is settled
        await services.queue.stop(outcome.task.id)
    return await wait_until_ended(services, record, wait_s)
