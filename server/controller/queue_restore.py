"""What a queue that was just started is told from the bucket: callbacks to deliver, and how tasks ended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath

from pydantic import ValidationError

from server.controller.ordered_window import WaitTurn, window
from server.queue import Queue
from server.storage.bucket import Bucket
from server.storage.bucket_keys import CALLBACKS, USAGE
from server.storage.pending_callbacks import decode_callback

log = logging.getLogger(__name__)
ENDED_RECALLED = 1000


async def recall_settled(bucket: Bucket, queue: Queue, has_read: Callable[[str], bool]) -> None:
    """Of tasks that the queue still holds, though the logs tell nothing of them any more: it came back older than it
    was, and would have them run again."""

    async def recall(task_id: str, turn: WaitTurn) -> None:
        if (manifest := await bucket.manifest(task_id)) is not None:
            await queue.settle(manifest)

    async with window() as recalling:
        for task_id in await queue.unfinished():
            if not has_read(task_id):
                await recalling.begin(task_id, partial(recall, task_id))


async def recall_callbacks(bucket: Bucket, queue: Queue) -> None:
    """All that were not delivered yet, with the tries they have had."""

    async def recall(key: str, turn: WaitTurn) -> None:
        saved = await bucket.get(key)
        if saved is None:
            return
        try:
            await queue.add_callback(decode_callback(saved))
        except ValidationError:
            log.error("%s is no callback and is ignored", key)

    async with window() as recalling:
        async for page in bucket.pages(CALLBACKS):
            for key, _ in page:
                await recalling.begin(key, partial(recall, key))


async def recall_ended(bucket: Bucket, queue: Queue, count: int = ENDED_RECALLED) -> None:
    """The last `count` results, the oldest first; the logs have long forgotten most of them.

    They are found by the records of usage, which lie in a folder for each day: a month has millions of manifests, and
    no order in which the newest come first.
    """
    newest: list[str] = []
    for day in reversed(await bucket.folders(USAGE)):
        newest = [*await _last_of(bucket, day, count - len(newest)), *newest]
        if len(newest) >= count:
            break

    async def recall(key: str, turn: WaitTurn) -> None:
        manifest = await bucket.manifest(PurePosixPath(key).stem)
        await turn()
        if manifest is not None:
            await queue.settle(manifest)

    async with window() as recalling:
        for key in newest:
            await recalling.begin(USAGE, partial(recall, key))


async def _last_of(bucket: Bucket, day: str, count: int) -> list[str]:
    """The keys of the last records of usage of one day, in order; no more are held on to."""
    last: list[tuple[str, float]] = []
    async for page in bucket.pages(f"{USAGE}/{day}"):
        last = sorted([*last, *page], key=lambda found: found[1])[-count:]
    return [key for key, _ in last]
