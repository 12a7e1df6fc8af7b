"""Deletes images within a minute after their retention, and everything else by its age."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime

from server.observability.metrics import OBJECTS_SWEPT, SWEEPER_LAG
from server.storage.bucket import Bucket
from server.storage.bucket_keys import (
    CHECKS,
    DEAD_CALLBACKS,
    IMAGES,
    MANIFESTS,
    STYLES,
    UPLOADS,
    USAGE,
    moments_between,
    swept_at,
)
from server.storage.known_log import RESULT_KEPT_S
from server.task import RETENTION_S

log = logging.getLogger(__name__)
SWEEP_IMAGES_EVERY_S, SWEEP_REST_EVERY_S = 1.0, 3600.0
FULL_SWEEP_EVERY_S = 3600.0
DAY_S = 86_400.0
RETENTION_BY_PREFIX_S = {
    MANIFESTS: RESULT_KEPT_S,
    DEAD_CALLBACKS: 40 * DAY_S,
    UPLOADS: DAY_S,
    STYLES: 30 * DAY_S,
    CHECKS: DAY_S,
}
"""Manifests are kept longer than the longest retention, so that an expired image is known as expired."""
USAGE_RETENTION_S = 400 * DAY_S


class Sweeper:
    """Keeps no list of objects: their names and times say what is due.

    clock: unix time in seconds.
    """

    def __init__(self, bucket: Bucket, clock: Callable[[], float] = time.time) -> None:
        self._bucket = bucket
        self._clock = clock
        self._swept = self._full_sweep_at = -math.inf
        SWEEPER_LAG.since(time.time())

    async def sweep_images(self) -> None:
        """Deletes all images of each moment that is due, including those of failed attempts, which no manifest names.

        A month has 86,400 moments, too many to list each time, so only those since the last sweep are listed. Once an
        hour all are, because a delayed image may be uploaded when its moment is over.
        """
        now = self._clock()
        full = not self._full_sweep_at <= self._swept <= now < self._full_sweep_at + FULL_SWEEP_EVERY_S
        passed = [] if full else moments_between(self._swept, now)
        for retention in RETENTION_S:
            tier = f"{IMAGES}/{retention}"
            for moment in await self._bucket.folders(tier) if full else passed:
                if swept_at(f"{tier}/{moment}") <= now:
                    await self._sweep_moment(f"{tier}/{moment}")
        SWEEPER_LAG.since(time.time())
        self._swept, self._full_sweep_at = now, now if full else self._full_sweep_at

    async def _sweep_moment(self, due: str) -> None:
        async for page in self._bucket.pages(due):
            await self._bucket.delete([key for key, _ in page])
            OBJECTS_SWEPT.inc(len(page))
            log.info("deleted %d expired images of %s", len(page), due)

    async def sweep_rest(self) -> None:
        for prefix, retention_s in RETENTION_BY_PREFIX_S.items():
            before = self._clock() - retention_s
            async for page in self._bucket.pages(prefix):
                await self._bucket.delete([key for key, written_at in page if written_at < before])
        await self._sweep_usage()

    async def _sweep_usage(self) -> None:
        """Deletes whole days, by their names."""
        first_day = datetime.fromtimestamp(self._clock() - USAGE_RETENTION_S, UTC).date().isoformat()
        for day in await self._bucket.folders(USAGE):
            if day < first_day:
                async for page in self._bucket.pages(f"{USAGE}/{day}"):
                    await self._bucket.delete([key for key, _ in page])
