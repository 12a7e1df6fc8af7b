"""Image bytes and manifests: a folder, or an S3 bucket, behind one object-store library.

Every key of the store is made here. Image keys begin with the half minute in which they expire, so that the sweeper
finds what is due by listing, and keeps no index that could be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store
from pydantic import ValidationError

from server.observability import metrics
from server.task import Manifest, Retention

log = logging.getLogger(__name__)

MOMENT, MOMENT_S = "%Y%m%dT%H%M%S", 30
"""Images go at full and half minutes, so that each is gone within a minute of its end, however long a sweep takes."""
IMAGES, MANIFESTS, UPLOADS = "images", "manifests", "uploads"
CALLBACKS, DEAD_CALLBACKS, CHECKS = "callbacks", "callbacks-dead", "checks"
USAGE = "usage"
PAGE = 1000
CONTENT_TYPES = {
    ".png": "image/png",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".json": "application/json",
}


class BucketUnavailableError(Exception):
    """The bucket cannot be reached, or has no room, now; trying again later is right."""


def image_key(retention: Retention, expires_at: float, task_id: str, attempt: str, name: str) -> str:
    """The key of one file of one attempt; attempts never share keys, so that a late one overwrites nothing."""
    return f"{IMAGES}/{retention}/{_moment(math.floor(expires_at / MOMENT_S) + 1)}/{task_id}/{attempt}/{name}"


def swept_at(key: str) -> float:
    """From when on (unix seconds) an image, or all of an `images/<retention>/<moment>`, may be deleted.

    Infinite for a key that `image_key` did not make: it is not ours to delete.
    """
    try:
        _, _, moment, *_ = key.split("/")
        at = datetime.strptime(moment, MOMENT).replace(tzinfo=UTC)
    except ValueError:
        return math.inf
    return at.timestamp() if at.strftime(MOMENT) == moment else math.inf  # strptime also takes digits that are lacking


def moments_between(past: float, now: float) -> list[str]:
    """The moments, as they are in keys, that have come after `past` and up to `now` (unix seconds)."""
    first = math.floor(past / MOMENT_S) + 1
    return [_moment(number) for number in range(first, int(now // MOMENT_S) + 1)]


def _moment(number: int) -> str:
    return datetime.fromtimestamp(MOMENT_S * number, UTC).strftime(MOMENT)


def manifest_key(task_id: str) -> str:
    return f"{MANIFESTS}/{task_id}.json"


def callback_key(task_id: str) -> str:
    """A callback that is still to be delivered; removed once it is."""
    return f"{CALLBACKS}/{task_id}.json"


def dead_callback_key(task_id: str) -> str:
    """A callback that was given up; kept so that somebody can look."""
    return f"{DEAD_CALLBACKS}/{task_id}.json"


def upload_key(tenant: str, file_id: str) -> str:
    return f"{UPLOADS}/{tenant}/{file_id}"


def usage_prefix(day: str, tenant: str) -> str:
    """Where the records lie of what a tenant's tasks cost that ended on a day, YYYY-MM-DD in UTC."""
    return f"{USAGE}/{day}/{tenant}"


def usage_key(day: str, tenant: str, task_id: str) -> str:
    return f"{usage_prefix(day, tenant)}/{task_id}.json"


class Bucket:
    """Bytes by key. `put` replaces whole objects atomically; a key that is not there reads as None.

    `public` is the same store as clients reach it at `public_origin`, if they do. Every method raises
    BucketUnavailableError.
    """

    def __init__(self, store: ObjectStore, public: S3Store | None = None, public_origin: str = "") -> None:
        self.public_origin = public_origin
        self._store = store
        self._public = public

    @classmethod
    def folder(cls, path: Path) -> Bucket:
        return FolderBucket(path)

    async def put(self, key: str, data: bytes) -> None:
        with _told_plainly(f"write {key}"):
            await self._write(key, data)

    async def _write(self, key: str, data: bytes) -> None:
        kind = CONTENT_TYPES.get(PurePosixPath(key).suffix, "application/octet-stream")
        await obstore.put_async(self._store, key, data, attributes={"Content-Type": kind}, use_multipart=False)

    async def get(self, key: str) -> bytes | None:
        with _told_plainly(f"read {key}"), _absent_is_none():
            response = await obstore.get_async(self._store, key)
            return bytes(await response.bytes_async())
        return None

    async def get_part(self, key: str, start: int, end: int) -> bytes | None:
        """The bytes from `start` up to, and not with, `end`."""
        with _told_plainly(f"read {key}"), _absent_is_none():
            return bytes(await obstore.get_range_async(self._store, key, start=start, end=end))
        return None

    async def link(self, key: str, life_s: int) -> str | None:
        """A URL by which anybody may GET the object for `life_s` seconds; None if clients do not reach this store."""
        if self._public is None:
            return None
        with _told_plainly(f"sign a link to {key}"):
            return await obstore.sign_async(self._public, "GET", key, timedelta(seconds=life_s))

    async def delete(self, keys: Sequence[str]) -> None:
        """Deletes what is there; keys that are not there are no error."""
        if keys:
            with _told_plainly(f"delete {keys[0]}"), _absent_is_none():
                await obstore.delete_async(self._store, list(keys))

    async def folders(self, prefix: str) -> list[str]:
        """The names one level below `prefix`, sorted."""
        with _told_plainly(f"list {prefix}"):
            listing = await obstore.list_with_delimiter_async(self._store, prefix + "/")
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in listing["common_prefixes"])

    async def keys(self, prefix: str) -> list[tuple[str, float]]:
        """Every key below `prefix` with the unix time it was written."""
        return [found async for chunk in self.pages(prefix) for found in chunk]

    async def pages(self, prefix: str) -> AsyncIterator[list[tuple[str, float]]]:
        """As `keys`, up to PAGE of them at a time, for prefixes that hold too many."""
        with _told_plainly(f"list {prefix}"):
            async for chunk in obstore.list(self._store, prefix + "/", chunk_size=PAGE):
                yield [(entry["path"], entry["last_modified"].timestamp()) for entry in chunk]

    async def put_manifest(self, manifest: Manifest) -> None:
        await self.put(manifest_key(manifest.task.id), manifest.model_dump_json().encode())

    async def manifest(self, task_id: str) -> Manifest | None:
        """One that cannot be read counts as absent: the logs know enough to write it again."""
        data = await self.get(manifest_key(task_id))
        if data is None:
            return None
        try:
            return Manifest.model_validate_json(data)
        except ValidationError as error:
            log.error("%s is no manifest (%d faults) and is ignored", manifest_key(task_id), error.error_count())
            return None


class FolderBucket(Bucket):
    """A folder of this machine. What `put` has written survives a power cut; folders go with their last file."""

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()
        super().__init__(LocalStore(self._path, mkdir=True, automatic_cleanup=True))

    async def _write(self, key: str, data: bytes) -> None:
        await obstore.put_async(self._store, key, data, use_multipart=False)
        await asyncio.to_thread(self._flush, self._path / key)

    def _flush(self, file: Path) -> None:
        """A new file is there for good once it is on the disk, and so is its name in each folder above it."""
        with contextlib.suppress(FileNotFoundError):  # deleted again already
            for path in (file, *file.relative_to(self._path).parents):
                descriptor = os.open(self._path / path, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:  # the first that is not there would end a deletion of many
            await super().delete([key])


@contextlib.contextmanager
def _absent_is_none() -> Iterator[None]:
    """Passes over an object that is not there; a whole bucket that is not there is another matter."""
    try:
        yield
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise


@contextlib.contextmanager
def _told_plainly(deed: str) -> Iterator[None]:
    """Whatever a store may raise becomes BucketUnavailableError."""
    try:
        yield
    except (BaseError, OSError) as error:
        metrics.BUCKET.failed()
        raise BucketUnavailableError(
            f"the bucket would not {deed} ({reason(error)}); see that it can be reached, is writable and has room"
        ) from error
    metrics.BUCKET.answered()


def reason(error: Exception) -> str:
    """What a store says in many lines, in one, without the addresses of our own network."""
    text = str(error).partition("\n\nDebug source")[0]
    if told := re.search(r"<Code>(.*?)</Code>(?:.*?<Message>(.*?)</Message>)?", text, re.DOTALL):
        return ": ".join(part for part in told.groups() if part)
    return re.sub(r"https?://\S+", "its address", text.partition("\n")[0])
