"""Counts the images that are kept without end, and deletes what interrupted changes of their retention left behind."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from server.observability.metrics import KEPT_BYTES, KEPT_IMAGES
from server.queue import Queue
from server.storage.bucket import Bucket
from server.storage.bucket_keys import KEPT
from server.storage.kept_images import KeptImages

log = logging.getLogger(__name__)
SWEEP_KEPT_EVERY_S = 6 * 3600.0
"""Rarely, because it reads a manifest for each task."""


class KeptSweeper:
    """clock: unix time in seconds."""

    def __init__(self, bucket: Bucket, queue: Queue, clock: Callable[[], float] = time.time) -> None:
        self._bucket = bucket
        self._kept = KeptImages(bucket, queue, clock)

    async def sweep(self) -> None:
        count = size = 0
        for tenant in await self._bucket.folders(KEPT):
            if leftovers := await self._kept.leftovers(tenant):
                # Without the lock, the folder of a change that is under way looks the same.
                async with self._kept.lock(tenant):
                    for folder in leftovers:
                        await self._kept.repair(folder)
                log.info("repaired %d folders of kept images of %s", len(leftovers), tenant)
            total = await self._kept.total(tenant)
            count, size = count + total.count, size + total.bytes
        KEPT_IMAGES.set(count)
        KEPT_BYTES.set(size)
