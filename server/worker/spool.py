"""Results that wait on disk while the bucket or the log is away, so that a killed worker loses no work.

Each worker has a locked folder of its own. A worker that starts takes over the folders of workers that have ended, and
publishes what they contain. It needs no lease for that: the first outcome in the log counts, so a late or repeated one
does no harm.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from server.broker import Broker, BrokerUnavailableError
from server.observability.logs import about
from server.services import Services
from server.storage.bucket import Bucket, BucketUnavailableError
from server.storage.bucket_keys import image_key
from server.task import RETENTION_S, Image, Outcome
from server.worker.spool_folder import LOCK, OUTCOME, SpoolFolder

log = logging.getLogger(__name__)
PAUSE_S = 1.0
AWAY = (BucketUnavailableError, BrokerUnavailableError)


class ImageMissingError(Exception):
    """An image is no longer in the spool; the task has to run again."""


class Spool:
    """Stores images and publishes outcomes; what cannot be stored now waits on disk."""

    def __init__(
        self, bucket: Bucket, broker: Broker, folder: Path, max_bytes: int, clock: Callable[[], float] = time.time
    ) -> None:
        """`folder` has a folder for each worker. At most `max_bytes` of images wait on disk; with 0 nothing does, and
        callers have to wait with their data in memory. `clock` is unix time."""
        self._bucket = bucket
        self._broker = broker
        self._folder = folder
        self._max_bytes = max_bytes
        self._clock = clock
        self._own_folder: SpoolFolder | None = None
        self._own_folder_lock = threading.Lock()
        self._waiting: dict[str, int] = {}
        """Bytes of the images that wait in our own folder, by their keys."""

    @classmethod
    def of(cls, services: Services) -> Spool:
        settings = services.settings
        folder = settings.data_dir / "spool"
        return cls(services.bucket, services.broker, folder, settings.spool, services.clock)

    async def put(self, key: str, data: bytes) -> None:
        """Stores an image in the bucket, or on disk while that is away; raises BucketUnavailableError if neither is
        possible."""
        try:
            await self._bucket.put(key, data)
        except BucketUnavailableError as error:
            if sum(self._waiting.values()) + len(data) > self._max_bytes:
                raise
            self._waiting[key] = len(data)
            if not await asyncio.to_thread(self._write, key, data):
                del self._waiting[key]
                raise
            log.warning("%s waits on disk: %s", key, error)

    async def publish(self, outcome: Outcome) -> None:
        """Stores the images that wait, then publishes the outcome.

        Raises ImageMissingError; and BucketUnavailableError or BrokerUnavailableError, after it has written the
        outcome to disk for the next worker.
        """
        try:
            await self._broker.publish_outcome(await self._with_stored_images(self._own_folder, outcome))
        except AWAY:
            if self._max_bytes:
                await asyncio.to_thread(self._write, _name(outcome), outcome.model_dump_json().encode())
            raise
        self.drop(outcome)

    def drop(self, outcome: Outcome) -> None:
        """Deletes an outcome that is in the log, or not needed any more, and all images of its attempt: a failed
        outcome does not name the images that its attempt has stored."""
        if self._own_folder is None:
            return
        self._own_folder.drop(_name(outcome))
        for key in [key for key in self._waiting if PurePosixPath(key).parent.name == outcome.attempt]:
            del self._waiting[key]
            self._own_folder.drop(key)

    async def publish_leftovers(self) -> None:
        """Publishes what ended workers of this machine have left, however long the bucket or the log is away."""
        for folder in await asyncio.to_thread(self._acquire_leftovers):
            for outcome in folder.outcomes():
                with about(task=outcome.task.id, tenant=outcome.task.tenant, attempt=outcome.attempt):
                    await self._publish_leftover(folder, outcome)
            folder.clear()

    def close(self) -> None:
        """Leaves what still waits to the next worker."""
        folder, self._own_folder = self._own_folder, None
        if folder is not None:
            (folder.release if any(folder.outcomes()) else folder.clear)()

    async def _publish_leftover(self, folder: SpoolFolder, outcome: Outcome) -> None:
        while True:
            try:
                if await self._bucket.manifest(outcome.task.id) is None:
                    await self._broker.publish_outcome(await self._with_stored_images(folder, outcome))
                    log.info("← %s %s, left by another worker", outcome.task.id, outcome.status)
                return None
            except AWAY as error:
                log.warning("the outcome of %s, left by another worker, waits: %s", outcome.task.id, error)
                await asyncio.sleep(PAUSE_S)
            except Exception:
                return log.exception(
                    "the outcome of %s, left by another worker, cannot be published; the task runs again",
                    outcome.task.id,
                )

    async def _with_stored_images(self, folder: SpoolFolder | None, outcome: Outcome) -> Outcome:
        """The outcome after its images are moved from `folder` to the bucket. They get new keys, for their retention
        starts now: with the old keys, images with a retention of five minutes could be swept at once."""
        now, images = self._clock(), list(outcome.images)
        for index, image in enumerate(images):
            data = await asyncio.to_thread(folder.get, image.key) if folder is not None and image.key else None
            if data is None and image.key in self._waiting:
                raise ImageMissingError(f"{image.key} is not in the spool any more; the task runs again")
            if data is not None:
                images[index] = image.model_copy(update={"key": _key(outcome, image, now)})
                await self._bucket.put(images[index].key, data)
        if tuple(images) == outcome.images:
            return outcome
        return outcome.model_copy(update={"images": tuple(images), "finished_at": now})

    def _write(self, name: str, data: bytes) -> bool:
        """False if it fails: the disk may be full or read-only."""
        try:
            with self._own_folder_lock:  # several threads may write the first file
                if self._own_folder is None:
                    path = self._folder / uuid.uuid4().hex
                    path.mkdir(parents=True)
                    self._own_folder = SpoolFolder.try_acquire(path)
            if self._own_folder is not None:
                self._own_folder.put(name, data)
            return self._own_folder is not None
        except OSError as error:
            log.warning("nothing can wait in %s (%s)", self._folder, error)
            return False

    def _acquire_leftovers(self) -> list[SpoolFolder]:
        folders = []
        for lock in sorted(self._folder.glob(f"*/{LOCK}")):
            with contextlib.suppress(OSError):  # another worker has just deleted it
                folders.append(SpoolFolder.try_acquire(lock.parent))
        return [folder for folder in folders if folder is not None]


def _key(outcome: Outcome, image: Image, now: float) -> str:
    task = outcome.task
    name = PurePosixPath(image.key).name
    return image_key(task.retention, now + RETENTION_S[task.retention], task.id, outcome.attempt, name)


def _name(outcome: Outcome) -> str:
    return f"{outcome.attempt}{OUTCOME}"
