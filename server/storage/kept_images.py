"""Moves the images of ended tasks between retentions; images that are kept count against a quota of their tenant.

The bucket is the only truth about what is kept: `kept/TENANT/` has the images of a tenant and nothing else, so its size
is what the tenant uses. A lock in the queue lets one change of a tenant happen at a time, and so no two of them see the
same room. Images are copied first, then the manifest is written, which decides, and the old images are deleted last.
So a crash at any point loses no image. What it leaves behind is deleted by `server/controller/kept_sweep.py`, or when a
tenant has no room left.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial

from server.observability.metrics import KEEPS_REFUSED
from server.queue import LOCK_S, Queue, QueueUnavailableError
from server.storage.bucket import Bucket
from server.storage.bucket_keys import KEPT, kept_key, kept_manifest_key, moved_key, swept_at
from server.task import KEEP, NEVER, RETENTION_S, AnyRetention, Manifest, Place, Task

LOCK_POLL_S = 0.05
READ_AT_ONCE = 50
WORK_S = LOCK_S - 10
"""A change that takes longer is given up while it still has the lock."""


class KeepLimitError(Exception):
    """The tenant has no room left for images that are kept."""

    def __init__(self, kept: KeptTotal, more: int, limit: int) -> None:
        super().__init__(
            f"keep limit: {kept.count} images with {kept.bytes} bytes are kept, {more} bytes would be added, and "
            f"{limit} bytes are allowed; GET /v1/tasks?retention=keep lists what is kept: delete images of it with "
            "DELETE /v1/tasks/ID/images, or give it another retention, or ask the operator for a higher keep_bytes"
        )


class ImagesGoneError(Exception):
    """The images of a task are deleted, so their retention cannot be changed."""

    def __init__(self, manifest: Manifest) -> None:
        why = "have expired" if manifest.deleted_at is None else "were deleted at the request of its owner"
        super().__init__(
            f"the images of task {manifest.task.id} {why}; submit it again, with `retention: keep` if they should stay"
        )


class NoRetentionError(Exception):
    """The task has no images, or their new retention would be over already."""


@dataclass(frozen=True, slots=True)
class KeptTotal:
    """A number of images that are kept, and their bytes in all."""

    count: int
    bytes: int


class KeptImages:
    """clock: unix time in seconds. Every method raises BucketUnavailableError."""

    def __init__(self, bucket: Bucket, queue: Queue, clock: Callable[[], float] = time.time) -> None:
        self._bucket = bucket
        self._queue = queue
        self._clock = clock

    async def total(self, tenant: str) -> KeptTotal:
        return KeptTotal(*await self._bucket.measure(f"{KEPT}/{tenant}"))

    async def task_ids(self, tenant: str) -> list[str]:
        """The tasks of the tenant whose images are kept, the newest first."""
        return [_task_id(name) for name in reversed(await self._bucket.folders(f"{KEPT}/{tenant}"))]

    @asynccontextmanager
    async def lock(self, tenant: str) -> AsyncIterator[None]:
        """Only the holder changes where images of this tenant are. Raises QueueUnavailableError."""
        name, holder = f"keep:{tenant}", uuid.uuid4().hex
        try:
            async with asyncio.timeout(LOCK_S):
                await self._take_lock(name, holder)
            async with asyncio.timeout(WORK_S):
                yield
        except TimeoutError:
            raise QueueUnavailableError(
                "other changes of what is kept take too long; try again in a minute, or check the bucket"
            ) from None
        finally:
            with suppress(QueueUnavailableError):
                await self._queue.unlock(name, holder)

    async def _take_lock(self, name: str, holder: str) -> None:
        while True:
            if await self._queue.lock(name, holder):
                return
            await asyncio.sleep(LOCK_POLL_S)

    async def copy(self, manifest: Manifest, retention: AnyRetention, limit: int) -> Manifest:
        """Copies the images to another retention. Returns the manifest that `replace` must then write.

        A retention with an end counts from the end of the task, or from now if the images were kept until now. `limit`:
        the bytes that the tenant may keep. The caller has the lock. Raises KeepLimitError, ImagesGoneError,
        NoRetentionError.
        """
        now, images = self._clock(), [image for image in manifest.images if image.safe]
        if not images:
            raise NoRetentionError("this task has no images whose retention could be changed")
        if manifest.deleted_at is not None or manifest.expires_at <= now:
            raise ImagesGoneError(manifest)
        if retention == manifest.retention:
            return manifest
        since = manifest.place.since if manifest.place else manifest.outcome.finished_at
        if retention == KEEP:
            await self._refuse_above(limit, manifest.task.tenant, sum(image.bytes for image in images))
            keys, ends = _keys(manifest, kept_key), NEVER
        else:
            since = now if manifest.kept else since
            ends = since + RETENTION_S[retention]
            keys = _keys(manifest, partial(moved_key, retention, ends))
            ends = min(ends, *(swept_at(key) for key in keys if key))
        if ends <= now:
            raise NoRetentionError(
                f"a retention of {retention} would be over already; use a longer one, or delete the images with "
                "DELETE /v1/tasks/ID/images"
            )
        await self._copy(manifest, keys)
        place = Place(retention=retention, since=since, keys=keys)
        return manifest.model_copy(update={"place": place, "expires_at": ends})

    async def replace(self, before: Manifest, after: Manifest) -> None:
        """Writes a manifest in place of another, and deletes what it names no longer. The caller has the lock."""
        await self._bucket.put_manifest(after)
        if before.retention == KEEP and not after.kept:
            await self._bucket.delete([kept_manifest_key(after.task.id)])
        named = {image.key for image in after.images} if after.deleted_at is None else set()
        await self._bucket.delete([image.key for image in before.images if image.key and image.key not in named])

    async def leftovers(self, tenant: str) -> list[str]:
        """The folders that an interrupted change has left behind, or whose task lacks the copy of its manifest."""
        folders = [f"{KEPT}/{tenant}/{name}" for name in await self._bucket.folders(f"{KEPT}/{tenant}")]
        found: list[str] = []
        for start in range(0, len(folders), READ_AT_ONCE):
            some = folders[start : start + READ_AT_ONCE]
            complete = await asyncio.gather(*map(self._is_complete, some))
            found += [folder for folder, is_complete in zip(some, complete, strict=True) if not is_complete]
        return found

    async def repair(self, folder: str) -> None:
        """Deletes one of the leftovers, or writes the copy of the manifest again. The caller has the lock."""
        task_id = _task_id(folder)
        manifest = await self._bucket.manifest(task_id)
        if manifest is not None and manifest.kept:
            await self._bucket.put_manifest(manifest)
        else:
            keys = [key for key, _ in await self._bucket.keys(folder)]
            await self._bucket.delete([kept_manifest_key(task_id), *keys])

    async def _is_complete(self, folder: str) -> bool:
        task_id = _task_id(folder)
        manifest = await self._bucket.manifest(task_id)
        has_copy = await self._bucket.get(kept_manifest_key(task_id)) is not None
        return manifest is not None and manifest.kept and has_copy

    async def _refuse_above(self, limit: int, tenant: str, more: int) -> None:
        """Raises KeepLimitError."""
        if (await self.total(tenant)).bytes + more <= limit:
            return
        for folder in await self.leftovers(tenant):
            await self.repair(folder)
        total = await self.total(tenant)
        if total.bytes + more > limit:
            KEEPS_REFUSED.inc()
            raise KeepLimitError(total, more, limit)

    async def _copy(self, manifest: Manifest, keys: tuple[str, ...]) -> None:
        """Through this process, because then a copy is as durable as every other object. Raises ImagesGoneError."""
        for image, key in zip(manifest.images, keys, strict=True):
            if key and key != image.key:
                data = await self._bucket.get(image.key)
                if data is None:
                    raise ImagesGoneError(manifest)
                await self._bucket.put(key, data)


def _keys(manifest: Manifest, key_of: Callable[[Task, str], str]) -> tuple[str, ...]:
    """The new keys of all images; empty for those that are withheld."""
    return tuple(
        key_of(manifest.task, f"{index}.{image.format}") if image.safe else ""
        for index, image in enumerate(manifest.images)
    )


def _task_id(folder: str) -> str:
    return folder.rpartition("-")[2]
