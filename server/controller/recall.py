"""What a queue that was just started is told from the bucket: callbacks to deliver, and how tasks ended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import PurePosixPath

from pydantic import ValidationError

from server.bucket import CALLBACKS, MANIFESTS, Bucket
from server.controller.callbacks import SAVED
from server.controller.window import Turn, window
from server.queue import Queue

log = logging.getLogger(__name__)
ENDED_RECALLED = 1000


async def recall_settled(bucket: Bucket, queue: Queue, has_read: Callable[[str], bool]) -> None:
    """Of tasks that the queue still holds, though the logs tell nothing of them any more: it came back older than it
    was, and would have them run again."""

    async def recall(task_id: str, turn: Turn) -> None:
        if (manifest := await bucket.manifest(task_id)) is not None:
            await queue.settle(manifest)

    async with window() as recalling:
        for task_id in await queue.unfinished():
            if not has_read(task_id):
                await recalling.begin(task_id, partial(recall, task_id))


async def recall_callbacks(bucket: Bucket, queue: Queue) -> None:
    """All that were not delivered yet, with the tries they have had."""

    async def recall(key: str, turn: Turn) -> None:
        saved = await bucket.get(key)
        if saved is None:
            return
        try:
            await queue.add_callback(SAVED.validate_json(saved))
        except ValidationError:
            log.error("%s is no callback and is ignored", key)

    async with window() as recalling:
        async for page in bucket.pages(CALLBACKS):
            for key, _ in page:
                await recalling.begin(key, partial(recall, key))


async def recall_ended(bucket: Bucket, queue: Queue, count: int = ENDED_RECALLED) -> None:
    """The last `count` results, the oldest first; the logs have long forgotten most of them."""
    newest: list[tuple[str, float]] = []
    async for page in bucket.pages(MANIFESTS):  # there may be millions, and none but the newest are held on to
        newest = sorted([*newest, *page], key=lambda found: found[1])[-count:]

    async def recall(key: str, turn: Turn) -> None:
        manifest = await bucket.manifest(PurePosixPath(key).stem)
        await turn()
        if manifest is not None:
            await queue.settle(manifest)

    async with window() as recalling:
        for key, _ in newest:
            await recalling.begin(MANIFESTS, partial(recall, key))
