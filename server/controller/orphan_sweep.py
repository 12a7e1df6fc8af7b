"""Deletes what is left of attempts that lost: images that lie beside a result, and that nobody is ever shown.

Of a late outcome that reached the log, the images are deleted when it is read there. But an attempt may be lost between
its upload and its report, or may not report at all because it was told that it had lost; and what was parked is of no
use any more once the task has ended. A manifest is written once and never changes: of a task that has one, whatever
the manifest does not name will not be asked for by anybody, and goes. Of a task that has none, everything stays.
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
from server.storage.bucket_keys import IMAGES, moments_between, swept_at
from server.task import RETENTION_S

log = logging.getLogger(__name__)
SWEEP_LOSERS_EVERY_S = 60.0
QUIET_S = 1800.0
"""How long after an image was due in the bucket it is looked at, for a late one must not be missed; half its life at
most."""
LOOK_BACK_S = 7200.0
"""How far back a controller looks that was just started."""


class OrphanSweeper:
    """Looks once at each image, by the moment in its key, and again until its task has ended. `clock` is unix time."""

    def __init__(self, bucket: Bucket, clock: Callable[[], float] = time.time) -> None:
        self._bucket = bucket
        self._clock = clock
        self._looked: float | None = None
        self._unended: dict[str, Set[str]] = {}
        """The keys of tasks that had no manifest when they were looked at."""

    async def sweep(self) -> None:
        now = self._clock()
        since = now - LOOK_BACK_S if self._looked is None else self._looked
        for retention, life_s in RETENTION_S.items():
            ahead_s = life_s - min(QUIET_S, life_s / 2)
            for moment in moments_between(since + ahead_s, now + ahead_s):
                await self._judge(await self._found(f"{IMAGES}/{retention}/{moment}"))
        self._looked = now
        await self._judge(dict(self._unended))

    async def _found(self, folder: str) -> Mapping[str, Set[str]]:
        """The keys of the images that are kept until some moment, by task."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        async for page in self._bucket.pages(folder):
            for key, _ in page:
                found[key.split("/")[3]].add(key)
        return found

    async def _judge(self, found: Mapping[str, Set[str]]) -> None:
        async with window() as judging:
            for task_id, keys in found.items():
                await judging.begin(task_id, partial(self._judge_one, task_id, keys))

    async def _judge_one(self, task_id: str, keys: Set[str], turn: WaitTurn) -> None:
        keys = keys | self._unended.get(task_id, frozenset())
        manifest = await self._bucket.manifest(task_id)
        if manifest is not None:
            lost = sorted(keys - {image.key for image in manifest.outcome.images})
            await self._bucket.delete(lost)
            OBJECTS_SWEPT.inc(len(lost))
            if lost:
                log.info("deleted %d images that lost of task %s", len(lost), task_id)
            self._unended.pop(task_id, None)
        elif still_there := {key for key in keys if swept_at(key) > self._clock()}:
            self._unended[task_id] = still_there
        else:
            self._unended.pop(task_id, None)
