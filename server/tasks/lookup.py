"""The record of one task: the queue's view of it, and its manifest once it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from server.queue import QueueIncompleteError, QueueUnavailableError, View
from server.services import Services
from server.storage.bucket import BucketUnavailableError
from server.storage.bucket_keys import manifest_key
from server.storage.known_log import RESULT_KEPT_S, read_known_log
from server.task import Manifest, Outcome, Status

CANCEL_WAIT_S = 2.0
_ID = re.compile(r"[0-9a-f]{32}")


class UnknownTaskError(Exception):
    """This tenant has no task with this id. The tasks of other tenants count as missing."""

    def __init__(self, task_id: str) -> None:
        super().__init__(
            f"there is no task {task_id[:64]!r}; use the id that its submission returned. "
            "Results are kept for 40 days, or as long as their images are kept"
        )


class LostTaskError(UnknownTaskError):
    """The task is unknown, and it may have been in logs that were lost; or its result is damaged for good."""

    def __init__(self, task_id: str, reason: str) -> None:
        Exception.__init__(self, f"task {task_id} cannot be found: {reason}; submit it again")


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """A task as the queue and the bucket know it. `manifest` is set exactly if the status of the view is final."""

    view: View
    manifest: Manifest | None = None


def from_manifest(manifest: Manifest) -> TaskRecord:
    """The record of an ended task, which the queue may have forgotten."""
    return TaskRecord(View.from_manifest(manifest), manifest)


async def find_record(services: Services, task_id: str, tenant: str) -> TaskRecord:
    """The record of a task of this tenant. Raises UnknownTaskError, QueueIncompleteError."""
    if not _ID.fullmatch(task_id):
        raise UnknownTaskError(task_id)
    view = await services.queue.find(task_id)
    record = await _record_of_view(services, view) if view else await _record_of_manifest(services, task_id)
    if record.view.task.tenant != tenant:
        raise UnknownTaskError(task_id)
    return record


async def _record_of_view(services: Services, view: View) -> TaskRecord:
    """The record of a task that the queue has. A manifest wins over a stale view, which may not show the end yet."""
    manifest = await services.bucket.manifest(view.task.id) if view.stale else None
    return from_manifest(manifest) if manifest is not None else await load_record(services, view)


async def _record_of_manifest(services: Services, task_id: str) -> TaskRecord:
    """The record of a task that the queue does not have. Raises QueueIncompleteError while the queue reads the logs."""
    complete = await services.queue.complete()
    manifest = await services.bucket.manifest(task_id)
    if manifest is not None:
        return from_manifest(manifest)
    if not complete:
        raise QueueIncompleteError
    raise await _why_missing(services, task_id)


async def _why_missing(services: Services, task_id: str) -> UnknownTaskError:
    """Why neither the queue nor the bucket has a task. Raises QueueIncompleteError while the bucket is restored."""
    known = await read_known_log(services.bucket)
    if known is None:
        raise QueueIncompleteError
    if await services.bucket.get(manifest_key(task_id)) is not None:
        return LostTaskError(task_id, "it has ended, its result is damaged, and the log does not have it any more")
    if known.has_lost_tasks(services.clock()):
        lost_at = datetime.fromtimestamp(known.lost_at or 0.0, UTC).isoformat(timespec="seconds")
        return LostTaskError(task_id, f"the server's logs were lost before {lost_at}, and it may have been in them")
    return UnknownTaskError(task_id)


async def load_record(services: Services, view: View) -> TaskRecord:
    """The record of a view. Raises UnknownTaskError if the task has ended and its result is nowhere."""
    if not view.status.final:
        return TaskRecord(view)
    task_id, ended_s_ago = view.task.id, services.clock() - (view.finished_at or 0.0)
    manifest = await services.bucket.manifest(task_id)
    if manifest is None and ended_s_ago < RESULT_KEPT_S:
        manifest = await services.bucket.rebuild_manifest(task_id)
    if manifest is None:
        raise await _why_missing(services, task_id)
    return from_manifest(manifest)


async def wait_until_ended(services: Services, record: TaskRecord, wait_s: float) -> TaskRecord:
    """The record once the task has ended, or its current state after `wait_s` seconds.

    If queue or bucket cannot be reached, the given record is returned instead of an error: the client has already
    submitted or canceled the task, and would do so again after an error.
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


async def cancel(services: Services, record: TaskRecord, wait_s: float = CANCEL_WAIT_S) -> TaskRecord:
    """Publishes a canceled outcome, unless the task has ended. The first outcome in the log wins.

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
    with contextlib.suppress(QueueUnavailableError):  # the worker also stops when the outcome is settled
        await services.queue.stop(outcome.task.id)
    return await wait_until_ended(services, record, wait_s)
