"""The bucket of images and manifests: a folder or S3, both through one object-store library."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path, PurePosixPath

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, S3Store
from pydantic import ValidationError

from server.observability import metrics
from server.process.disk_space import check_disk_space
from server.storage.bucket_keys import CHECKS, kept_manifest_key, manifest_key
from server.storage.manifest import manifest_of
from server.task import Manifest, Outcome

log = logging.getLogger(__name__)

PAGE = 1000
CONTENT_TYPES = {
    ".png": "image/png",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".json": "application/json",
}


FindOutcome = Callable[[str], Awaitable[Outcome | None]]


async def find_no_outcome(task_id: str) -> Outcome | None:
    """For a bucket that is used without a log."""
    return None


class BucketUnavailableError(Exception):
    """The bucket cannot be reached or is full; a later try may succeed."""


class Bucket:
    """Bytes by key. `put` replaces an object atomically, and a missing key reads as None.

    `find_outcome` reads a task's first outcome from the log, for a manifest that is damaged.
    `public` is the same store under the address `public_origin`, at which clients reach it; None if they do not.
    Every method raises BucketUnavailableError.
    """

    def __init__(
        self,
        store: ObjectStore,
        public: S3Store | None = None,
        public_origin: str = "",
        find_outcome: FindOutcome = find_no_outcome,
    ) -> None:
        self.public_origin = public_origin
        self._store = store
        self._public = public
        self._write_failed = False
        self._find_outcome = find_outcome
        self._rebuilding = asyncio.Lock()
        self._beyond_repair: set[str] = set()
        """Ids that the log did not have, so that it is not searched again."""

    @classmethod
    def folder(cls, path: Path, find_outcome: FindOutcome = find_no_outcome) -> Bucket:
        return FolderBucket(path, find_outcome)

    async def put(self, key: str, data: bytes) -> None:
        try:
            with _translate_errors(f"write {key}"):
                await self._write(key, data)
        except BucketUnavailableError:
            self._write_failed = True
            raise
        self._write_failed = False

    async def _write(self, key: str, data: bytes) -> None:
        kind = CONTENT_TYPES.get(PurePosixPath(key).suffix, "application/octet-stream")
        await obstore.put_async(self._store, key, data, attributes={"Content-Type": kind}, use_multipart=False)

    async def check(self) -> None:
        """Whether the bucket can be used. Nothing is written, except after a failed write: a small object, to find out
        whether it has room and rights again."""
        key = f"{CHECKS}/{uuid.uuid4().hex}"
        await self.get(key)
        if self._write_failed:
            await self.put(key, b"write check")
            await self.delete([key])

    async def get(self, key: str) -> bytes | None:
        with _translate_errors(f"read {key}"), _missing_is_none():
            response = await obstore.get_async(self._store, key)
            return bytes(await response.bytes_async())
        return None

    async def get_part(self, key: str, start: int, end: int) -> bytes | None:
        """The bytes from `start` up to `end`, which is not included."""
        with _translate_errors(f"read {key}"), _missing_is_none():
            return bytes(await obstore.get_range_async(self._store, key, start=start, end=end))
        return None

    async def link(self, key: str, lifetime_s: int) -> str | None:
        """A URL that allows GET without a key for `lifetime_s` seconds; None if clients do not reach this store."""
        if self._public is None:
            return None
        with _translate_errors(f"sign a link to {key}"):
            return await obstore.sign_async(self._public, "GET", key, timedelta(seconds=lifetime_s))

    async def delete(self, keys: Sequence[str]) -> None:
        """Deletes objects; missing keys are no error."""
        if keys:
            with _translate_errors(f"delete {keys[0]}"), _missing_is_none():
                await obstore.delete_async(self._store, list(keys))

    async def folders(self, prefix: str) -> list[str]:
        """The names one level below `prefix`, sorted."""
        with _translate_errors(f"list {prefix}"):
            listing = await obstore.list_with_delimiter_async(self._store, prefix + "/")
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in listing["common_prefixes"])

    async def keys(self, prefix: str) -> list[tuple[str, float]]:
        """Every key below `prefix`, with the unix time at which it was written."""
        return [entry async for page in self.pages(prefix) for entry in page]

    async def pages(self, prefix: str) -> AsyncIterator[list[tuple[str, float]]]:
        """Like `keys`, in lists of at most PAGE, for prefixes with very many objects."""
        with _translate_errors(f"list {prefix}"):
            async for chunk in obstore.list(self._store, prefix + "/", chunk_size=PAGE):
                yield [(entry["path"], entry["last_modified"].timestamp()) for entry in chunk]

    async def measure(self, prefix: str) -> tuple[int, int]:
        """The number of objects below `prefix`, and their bytes in all."""
        count = size = 0
        with _translate_errors(f"list {prefix}"):
            async for chunk in obstore.list(self._store, prefix + "/", chunk_size=PAGE):
                count += len(chunk)
                size += sum(entry["size"] for entry in chunk)
        return count, size

    async def put_manifest(self, manifest: Manifest) -> None:
        """Of images that are kept, it writes a copy, too. The manifest comes first, because it decides."""
        data = manifest.model_dump_json().encode()
        await self.put(manifest_key(manifest.task.id), data)
        if manifest.kept:
            await self.put(kept_manifest_key(manifest.task.id), data)

    async def manifest(self, task_id: str, *, recent: bool = False) -> Manifest | None:
        """The manifest of a task, or its copy if the images are kept for longer than manifests are. A damaged one is
        rebuilt from the copy or from the log, and counts as missing if it cannot be.

        `recent`: the task has ended a moment ago, if at all. This saves the look at the copy.
        """
        data = await self.get(manifest_key(task_id))
        if data is None:
            return None if recent else await self._kept_manifest(task_id)
        try:
            return Manifest.model_validate_json(data)
        except ValidationError as error:
            log.error("%s is damaged (%d errors) and is rebuilt", manifest_key(task_id), error.error_count())
        return await self.rebuild_manifest(task_id)

    async def _kept_manifest(self, task_id: str) -> Manifest | None:
        data = await self.get(kept_manifest_key(task_id))
        try:
            return None if data is None else Manifest.model_validate_json(data)
        except ValidationError as error:
            log.error("%s is damaged (%d errors)", kept_manifest_key(task_id), error.error_count())
            return None

    async def rebuild_manifest(self, task_id: str) -> Manifest | None:
        """Writes a damaged or missing manifest from its copy or the task's first outcome. None if there is neither."""
        async with self._rebuilding:
            if task_id in self._beyond_repair:
                return None
            with contextlib.suppress(ValidationError):  # another request may have rebuilt it meanwhile
                if (data := await self.get(manifest_key(task_id))) is not None:
                    return Manifest.model_validate_json(data)
            if (kept := await self._kept_manifest(task_id)) is not None:
                await self.put_manifest(kept)
                return kept
            outcome = await self._find_outcome(task_id)
            if outcome is None:
                self._beyond_repair.add(task_id)
                log.error("%s cannot be rebuilt: the log has no outcome of this task", manifest_key(task_id))
                return None
            manifest = manifest_of(outcome)
            await self.put_manifest(manifest)
            log.warning("%s is rebuilt from the log", manifest_key(task_id))
            return manifest


class FolderBucket(Bucket):
    """A folder on this machine. Written objects survive a power cut; a folder is deleted with its last file."""

    def __init__(self, path: Path, find_outcome: FindOutcome = find_no_outcome) -> None:
        self._path = path.resolve()
        super().__init__(LocalStore(self._path, mkdir=True, automatic_cleanup=True), find_outcome=find_outcome)

    async def check(self) -> None:
        with _translate_errors("write"):
            await asyncio.to_thread(check_disk_space, self._path)
        await super().check()

    async def _write(self, key: str, data: bytes) -> None:
        await obstore.put_async(self._store, key, data, use_multipart=False)
        await asyncio.to_thread(self._flush, self._path / key)

    def _flush(self, file: Path) -> None:
        """Syncs a new file, and each folder above it, because the entry of a name must be on the disk as well."""
        with contextlib.suppress(FileNotFoundError):  # already deleted again
            for path in (file, *file.relative_to(self._path).parents):
                descriptor = os.open(self._path / path, os.O_RDONLY)
                try:
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)

    async def delete(self, keys: Sequence[str]) -> None:
        for key in keys:  # a deletion of many would stop at the first missing key
            await super().delete([key])


@contextlib.contextmanager
def _missing_is_none() -> Iterator[None]:
    """Suppresses the error of a missing object, but not that of a missing bucket."""
    try:
        yield
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise


@contextlib.contextmanager
def _translate_errors(action: str) -> Iterator[None]:
    """Raises BucketUnavailableError for all errors of the store. `action` is a phrase such as `read KEY`."""
    try:
        yield
    except (BaseError, OSError) as error:
        metrics.BUCKET.failed()
        raise BucketUnavailableError(
            f"the bucket failed to {action} ({short_reason(error)}); "
            "check that it can be reached, is writable and is not full"
        ) from error
    metrics.BUCKET.answered()


def short_reason(error: Exception) -> str:
    """The error of a store in one line, without addresses of our own network."""
    text = str(error).partition("\n\nDebug source")[0]
    if match := re.search(r"<Code>(.*?)</Code>(?:.*?<Message>(.*?)</Message>)?", text, re.DOTALL):
        return ": ".join(part for part in match.groups() if part)
    return re.sub(r"https?://\S+", "its address", text.partition("\n")[0])
