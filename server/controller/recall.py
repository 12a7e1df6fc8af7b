"""What a queue that was just started is told from the bucket: callbacks to deliver, and how recent tasks ended."""

from __future__ import annotations

import logging
from pathlib import PurePosixPath

from pydantic import ValidationError

from server.bucket import CALLBACKS, MANIFESTS, Bucket
from server.controller.callbacks import SAVED
from server.queue import Queue

log = logging.getLogger(__name__)
ENDED_RECALLED = 1000


async def recall_callbacks(bucket: Bucket, queue: Queue) -> None:
    """All that were not delivered yet, with the tries they have had."""
    for key, _ in await bucket.keys(CALLBACKS):
        saved = await bucket.get(key)
        if saved is None:
            continue
        try:
            await queue.add_callback(SAVED.validate_json(saved))
        except ValidationError:
            log.error("%s is no callback and is ignored", key)


async def recall_ended(bucket: Bucket, queue: Queue, count: int = ENDED_RECALLED) -> None:
    """The last `count` results, the oldest first; the logs have long forgotten most of them."""
    newest_first = sorted(await bucket.keys(MANIFESTS), key=lambda key: key[1], reverse=True)
    for key, _ in reversed(newest_first[:count]):
        manifest = await bucket.manifest(PurePosixPath(key).stem)
        if manifest is not None:
            await queue.settle(manifest)
