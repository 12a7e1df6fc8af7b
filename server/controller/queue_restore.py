"""Restores a new queue from the bucket: undelivered callbacks, and results; and lost manifests from the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from pathlib import PurePosixPath

from pydantic import ValidationError

from server.broker import Broker
from server.controller.ordered_window import WaitTurn, window
from server.queue import Queue
from server.storage.bucket import Bucket
from server.storage.bucket_keys import CALLBACKS, USAGE
from server.storage.manifest import manifest_of
from server.storage.pending_callbacks import decode_callback
from server.task import Outcome, Task

log = logging.getLogger(__name__)
MOST_RESTORED = 1000


async def restore_settled(bucket: Bucket, queue: Queue, has_read: Callable[[str], bool]) -> list[Task]:
    """Settles tasks that the queue holds although the logs have no unsettled record of them.

    This happens if the queue came back with an older state; it would run them again. Returns the tasks that have not
    ended: only a queue that survived the logs has any, except for those that were accepted a moment ago.
    """
    unsettled = []

    async def restore(task_id: str, turn: WaitTurn) -> None:
        if (manifest := await bucket.manifest(task_id)) is not None:
            await queue.settle(manifest)
        elif (view := await queue.find(task_id)) is not None and view.accepted:
            unsettled.append(view.task)

    async with window() as restoring:
        for task_id in await queue.unfinished():
            if not has_read(task_id):
                await restoring.begin(task_id, partial(restore, task_id))
    return unsettled


async def restore_callbacks(bucket: Bucket, queue: Queue) -> None:
    """All undelivered callbacks, with the number of their tries."""

    async def restore(key: str, turn: WaitTurn) -> None:
        saved = await bucket.get(key)
        if saved is None:
            return
        try:
            await queue.add_callback(decode_callback(saved))
        except ValidationError:
            log.error("%s is not a callback and is ignored", key)

    async with window() as restoring:
        async for page in bucket.pages(CALLBACKS):
            for key, _ in page:
                await restoring.begin(key, partial(restore, key))


async def restore_finished(bucket: Bucket, queue: Queue, count: int = MOST_RESTORED) -> None:
    """The last `count` results, the oldest first; most of them are no longer in the logs.

    They are found by the usage records, which have a folder per day. A month has millions of manifests, which cannot be
    listed from the newest.
    """
    newest: list[str] = []
    for day in reversed(await bucket.folders(USAGE)):
        newest = [*await _last_of(bucket, day, count - len(newest)), *newest]
        if len(newest) >= count:
            break

    async def restore(key: str, turn: WaitTurn) -> None:
        manifest = await bucket.manifest(PurePosixPath(key).stem)
        await turn()
        if manifest is not None:
            await queue.settle(manifest)

    async with window() as restoring:
        for key in newest:
            await restoring.begin(USAGE, partial(restore, key))


async def restore_manifests(broker: Broker, queue: Queue, bucket: Bucket) -> int:
    """Writes the manifest of each task that has an outcome in the log and none in the bucket. Returns their number.

    Tasks that the queue has as unfinished are left to the settlement, which stores their callbacks before the manifest.
    """
    restored = 0

    async def restore(outcome: Outcome, turn: WaitTurn) -> None:
        nonlocal restored
        await turn()
        view = await queue.find(outcome.task.id)
        if (view is None or view.status.final) and await bucket.manifest(outcome.task.id) is None:
            await bucket.put_manifest(manifest_of(outcome))
            restored += 1

    async with window() as restoring, aclosing(broker.past_outcomes()) as outcomes:
        async for outcome in outcomes:
            await restoring.begin(outcome.task.id, partial(restore, outcome))
    return restored


async def _last_of(bucket: Bucket, day: str, count: int) -> list[str]:
    """The keys of the last usage records of one day, in order; only `count` are kept in memory."""
    last: list[tuple[str, float]] = []
    async for page in bucket.pages(f"{USAGE}/{day}"):
        last = sorted([*last, *page], key=lambda found: found[1])[-count:]
    return [key for key, _ in last]
