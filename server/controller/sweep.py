"""Deletes what has outlived its retention: images within a minute and a bit, everything else once it is old."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime

from server.bucket import DEAD_CALLBACKS, IMAGES, MANIFESTS, UPLOADS, USAGE, Bucket, swept_at
from server.task import RETENTION_S

log = logging.getLogger(__name__)
SWEEP_IMAGES_EVERY_S, SWEEP_REST_EVERY_S = 10.0, 3600.0
DAY_S = 86_400.0
KEPT_S = {MANIFESTS: 40 * DAY_S, DEAD_CALLBACKS: 40 * DAY_S, UPLOADS: DAY_S}
"""Longer than the longest retention, so that an expired image is known to have expired; uploads only until they run."""
USAGE_KEPT_S = 400 * DAY_S


class Sweeper:
    """Needs no memory of what there is: the names and times of the objects say what is due. `clock` is unix time."""

    def __init__(self, bucket: Bucket, clock: Callable[[], float] = time.time) -> None:
        self._bucket = bucket
        self._clock = clock

    async def sweep_images(self) -> None:
        """Whole minutes at a time, also of attempts that came to nothing: no manifest knows those images."""
        for retention in RETENTION_S:
            for minute in await self._bucket.folders(f"{IMAGES}/{retention}"):
                due = f"{IMAGES}/{retention}/{minute}"
                if swept_at(due) <= self._clock():
                    keys = [key for key, _ in await self._bucket.keys(due)]
                    await self._bucket.delete(keys)
                    log.info("deleted %d expired images of %s", len(keys), due)

    async def sweep_rest(self) -> None:
        for prefix, kept_s in KEPT_S.items():
            before = self._clock() - kept_s
            old = [key for key, written_at in await self._bucket.keys(prefix) if written_at < before]
            await self._bucket.delete(old)
        await self._sweep_usage()

    async def _sweep_usage(self) -> None:
        """Whole days at a time, by their names."""
        first_kept = datetime.fromtimestamp(self._clock() - USAGE_KEPT_S, UTC).date().isoformat()
        for day in await self._bucket.folders(USAGE):
            if day < first_kept:
                await self._bucket.delete([key for key, _ in await self._bucket.keys(f"{USAGE}/{day}")])
