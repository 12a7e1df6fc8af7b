"""Deletes what has outlived its retention: images within a minute, everything else once it is old."""

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
    UPLOADS,
    USAGE,
    moments_between,
    swept_at,
)
from server.task import RETENTION_S

log = logging.getLogger(__name__)
SWEEP_IMAGES_EVERY_S, SWEEP_REST_EVERY_S = 1.0, 3600.0
LOOK_ROUND_EVERY_S = 3600.0
DAY_S = 86_400.0
KEPT_S = {MANIFESTS: 40 * DAY_S, DEAD_CALLBACKS: 40 * DAY_S, UPLOADS: DAY_S, CHECKS: DAY_S}
"""Longer than the longest retention, so that an expired image is known to have expired; uploads only until they run."""
USAGE_KEPT_S = 400 * DAY_S


class Sweeper:
    """Needs no memory of what there is: the names and times of the objects say what is due. `clock` is unix time."""

    def __init__(self, bucket: Bucket, clock: Callable[[], float] = time.time) -> None:
        self._bucket = bucket
        self._clock = clock
        self._swept = self._looked_round = -math.inf
        SWEEPER_LAG.since(time.time())

    async def sweep_images(self) -> None:
        """All of a moment at a time, also of attempts that came to nothing: no manifest knows those images.

        A month has 86,400 moments, too many to be listed every time: only those are looked at that have come since.
        Now and then all are, for an image that was held up may come when its moment is over.
        """
        now = self._clock()
        look_round = not self._looked_round <= self._swept <= now < self._looked_round + LOOK_ROUND_EVERY_S
        passed = [] if look_round else moments_between(self._swept, now)
        for retention in RETENTION_S:
            tier = f"{IMAGES}/{retention}"
            for moment in await self._bucket.folders(tier) if look_round else passed:
                if swept_at(f"{tier}/{moment}") <= now:
                    await self._sweep_moment(f"{tier}/{moment}")
        SWEEPER_LAG.since(time.time())
        self._swept, self._looked_round = now, now if look_round else self._looked_round

    async def _sweep_moment(self, due: str) -> None:
        async for page in self._bucket.pages(due):
            await self._bucket.delete([key for key, _ in page])
            OBJECTS_SWEPT.inc(len(page))
            log.info("deleted %d expired images of %s", len(page), due)

    async def sweep_rest(self) -> None:
        for prefix, kept_s in KEPT_S.items():
            before = self._clock() - kept_s
            async for page in self._bucket.pages(prefix):
                await self._bucket.delete([key for key, written_at in page if written_at < before])
        await self._sweep_usage()

    async def _sweep_usage(self) -> None:
        """Whole days at a time, by their names."""
        first_kept = datetime.fromtimestamp(self._clock() - USAGE_KEPT_S, UTC).date().isoformat()
        for day in await self._bucket.folders(USAGE):
            if day < first_kept:
                async for page in self._bucket.pages(f"{USAGE}/{day}"):
                    await self._bucket.delete([key for key, _ in page])
