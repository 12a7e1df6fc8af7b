"""Image bytes and manifests: a folder, or an S3 bucket, behind one object-store library.

Every key of the store is made here. Image keys begin with the minute in which they expire, so that the sweeper finds
what is due by listing, and keeps no index that could be lost.
"""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore
from pydantic import ValidationError

from server.task import Manifest, Retention

log = logging.getLogger(__name__)

MINUTE = "%Y%m%dT%H%M"
IMAGES, MANIFESTS, UPLOADS = "images", "manifests", "uploads"
CALLBACKS, DEAD_CALLBACKS = "callbacks", "callbacks-dead"
USAGE = "usage"


class BucketUnavailableError(Exception):
    """The bucket cannot be reached, or has no room, now; trying again later is right."""


def image_key(retention: Retention, expires_at: float, task_id: str, attempt: str, name: str) -> str:
    """The key of one file of one attempt; attempts never share keys, so that a late one overwrites nothing."""
    minute = datetime.fromtimestamp(expires_at + 60, UTC).strftime(MINUTE)
    return f"{IMAGES}/{retention}/{minute}/{task_id}/{attempt}/{name}"


def swept_at(key: str) -> float:
    """From when on (unix seconds) an image, or all of an `images/<retention>/<minute>`, may be deleted.

    Infinite for a key that `image_key` did not make: it is not ours to delete.
    """
    try:
        _, _, minute, *_ = key.split("/")
        return datetime.strptime(minute, MINUTE).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return math.inf


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

    Every method raises BucketUnavailableError.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    @classmethod
    def folder(cls, path: Path) -> Bucket:
        """A folder of this machine; folders inside it go when their last file does."""
        return cls(LocalStore(path.resolve(), mkdir=True, automatic_cleanup=True))

    async def put(self, key: str, data: bytes) -> None:
        with _told_plainly(f"write {key}"):
            await obstore.put_async(self._store, key, data)

    async def get(self, key: str) -> bytes | None:
        with _told_plainly(f"read {key}"):
            try:
                response = await obstore.get_async(self._store, key)
                return bytes(await response.bytes_async())
            except FileNotFoundError:
                return None

    async def delete(self, keys: Sequence[str]) -> None:
        """Deletes what is there; keys that are not there are no error."""
        for key in keys:
            with _told_plainly(f"delete {key}"), contextlib.suppress(FileNotFoundError):
                await obstore.delete_async(self._store, key)

    async def folders(self, prefix: str) -> list[str]:
        """The names one level below `prefix`, sorted."""
        with _told_plainly(f"list {prefix}"):
            listing = await obstore.list_with_delimiter_async(self._store, prefix + "/")
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in listing["common_prefixes"])

    async def keys(self, prefix: str) -> list[tuple[str, float]]:
        """Every key below `prefix` with the unix time it was written."""
        found: list[tuple[str, float]] = []
        with _told_plainly(f"list {prefix}"):
            async for chunk in obstore.list(self._store, prefix + "/"):
                found += [(entry["path"], entry["last_modified"].timestamp()) for entry in chunk]
        return found

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


@contextlib.contextmanager
def _told_plainly(deed: str) -> Iterator[None]:
    """Absence stays FileNotFoundError; everything else that a store may raise becomes BucketUnavailableError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (BaseError, OSError) as error:
        reason = str(error).partition("\n")[0]
        raise BucketUnavailableError(
            f"the bucket would not {deed} ({reason}); see that it can be reached, is writable and has room"
        ) from error
