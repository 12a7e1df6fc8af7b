"""Deletes the images of attempts that lost.

If a late outcome is in the log, its images are deleted when it is read. But an attempt may be lost between its upload
and its outcome, or may publish none because its lease was lost; and a snapshot is useless when its task has ended. A
manifest never changes. So if a task has one, images that it does not name are deleted. If it has none, all are kept.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Set
from functools import partial

from server.controller.ordered_window import WaitTurn, window
from server.observability.metrics import OBJECTS_SWEPT
from server.storage.bucket import Bucket
from server.storage.bucket_keys import IMAGES, MOVED, moments_between, swept_at
from server.task import RETENTION_S

log = logging.getLogger(__name__)
SWEEP_ORPHANS_EVERY_S = 60.0
QUIET_S = 1800.0
"""Seconds from an image's upload to its check, so that a late upload is not missed; at most half its retention."""
LOOK_BACK_S = 7200.0
"""How far back a new controller checks."""


class OrphanSweeper:
    """Checks each image once, by the moment in its key, and again until its task has ended.

    clock: unix time in seconds.
    """

    def __init__(self, bucket: Bucket, clock: Callable[[], float] = time.time) -> None:
        self._bucket = bucket
        self._clock = clock
        self._checked_until: float | None = None
        self._unfinished: dict[str, Set[str]] = {}
        """The image keys, by task, of tasks that had no manifest when they were checked."""

    async def sweep(self) -> None:
        now = self._clock()
        since = now - LOOK_BACK_S if self._checked_until is None else self._checked_until
        for retention, life_s in RETENTION_S.items():
            ahead_s = life_s - min(QUIET_S, life_s / 2)
            for moment in moments_between(since + ahead_s, now + ahead_s):
                await self._check(await self._images_by_task(f"{IMAGES}/{retention}/{moment}"))
        self._checked_until = now
        await self._check(dict(self._unfinished))

    async def _images_by_task(self, folder: str) -> Mapping[str, Set[str]]:
        """The keys of the images of one moment, by task."""
        images: defaultdict[str, set[str]] = defaultdict(set)
        async for page in self._bucket.pages(folder):
            for key, _ in page:
                _, _, _, task_id, attempt, _ = key.split("/")
                if attempt != MOVED:  # the manifest may not name it yet; it goes when its retention ends
                    images[task_id].add(key)
        return images

    async def _check(self, images: Mapping[str, Set[str]]) -> None:
        async with window() as checks:
            for task_id, keys in images.items():
                await checks.begin(task_id, partial(self._check_task, task_id, keys))

    async def _check_task(self, task_id: str, keys: Set[str], turn: WaitTurn) -> None:
        keys = keys | self._unfinished.get(task_id, frozenset())
        manifest = await self._bucket.manifest(task_id)
        if manifest is not None:
            lost = sorted(keys - {image.key for image in manifest.images})
            await self._bucket.delete(lost)
            OBJECTS_SWEPT.inc(len(lost))
            if lost:
                log.info("deleted %d images of lost attempts of task %s", len(lost), task_id)
            self._unfinished.pop(task_id, None)
        elif remaining := {key for key in keys if swept_at(key) > self._clock()}:
            self._unfinished[task_id] = remaining
        else:
            self._unfinished.pop(task_id, None)
