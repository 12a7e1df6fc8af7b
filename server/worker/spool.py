"""Results that wait on this machine's disk for the bucket or the log: who is killed meanwhile loses no work.

Each worker has a folder of its own, and holds it by a lock. One that starts takes over the folders of those that are no
more, and hands over what lies there. It has no lease for it and needs none: the first outcome in the log counts, so one
that comes late, or twice, does no harm.
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


class VanishedError(Exception):
    """Somebody has taken an image from the shelf; the task has to be run again."""


class Spool:
    """`most_bytes` of images may wait in `folder`; with 0 nothing does, and who calls waits with them in memory.
    `clock` is unix time."""

    def __init__(
        self, bucket: Bucket, broker: Broker, folder: Path, most_bytes: int, clock: Callable[[], float] = time.time
    ) -> None:
        self._bucket = bucket
        self._broker = broker
        self._folder = folder
        self._most_bytes = most_bytes
        self._clock = clock
        self._shelf: SpoolFolder | None = None
        self._taking = threading.Lock()
        self._waiting: dict[str, int] = {}
        """How large each image is that waits on our own shelf, by its key."""

    @classmethod
    def of(cls, services: Services) -> Spool:
        settings = services.settings
        folder = settings.data_dir / "spool"
        return cls(services.bucket, services.broker, folder, settings.spool, services.clock)

    async def put(self, key: str, data: bytes) -> None:
        """Into the bucket, or onto the disk while that is away; raises BucketUnavailableError if that is full too."""
        try:
            await self._bucket.put(key, data)
        except BucketUnavailableError as error:
            if sum(self._waiting.values()) + len(data) > self._most_bytes:
                raise
            self._waiting[key] = len(data)
            if not await asyncio.to_thread(self._keep, key, data):
                del self._waiting[key]
                raise
            log.warning("%s waits on the disk: %s", key, error)

    async def publish(self, outcome: Outcome) -> None:
        """Hands over the images that wait, then the outcome; raises VanishedError if one is not there, or
        BucketUnavailableError or BrokerUnavailableError, and then keeps it for whoever comes after us."""
        try:
            await self._broker.publish_outcome(await self._brought(self._shelf, outcome))
        except AWAY:
            if self._most_bytes:
                await asyncio.to_thread(self._keep, _name(outcome), outcome.model_dump_json().encode())
            raise
        self.drop(outcome)

    def drop(self, outcome: Outcome) -> None:
        """It is in the log, or somebody else's by now. So go all images of its attempt, also those that it does not
        name: an attempt that came to nothing may have put some here before."""
        if self._shelf is None:
            return
        self._shelf.drop(_name(outcome))
        for key in [key for key in self._waiting if PurePosixPath(key).parent.name == outcome.attempt]:
            del self._waiting[key]
            self._shelf.drop(key)

    async def hand_over_left(self) -> None:
        """What workers of this machine left that are no more, however long the bucket or the log is away."""
        for shelf in await asyncio.to_thread(self._left):
            for outcome in shelf.outcomes():
                with about(task=outcome.task.id, tenant=outcome.task.tenant, attempt=outcome.attempt):
                    await self._until_told(shelf, outcome)
            shelf.clear()

    def close(self) -> None:
        """What waits is left to whoever comes next."""
        shelf, self._shelf = self._shelf, None
        if shelf is not None:
            (shelf.let_go if any(shelf.outcomes()) else shelf.clear)()

    async def _until_told(self, shelf: SpoolFolder, outcome: Outcome) -> None:
        while True:
            try:
                if await self._bucket.manifest(outcome.task.id) is None:
                    await self._broker.publish_outcome(await self._brought(shelf, outcome))
                    log.info("← %s %s, which was left here", outcome.task.id, outcome.status)
                return None
            except AWAY as error:
                log.warning("the outcome of %s, which was left here, waits: %s", outcome.task.id, error)
                await asyncio.sleep(PAUSE_S)
            except Exception:
                return log.exception("the outcome of %s, which was left here, is lost, and made again", outcome.task.id)

    async def _brought(self, shelf: SpoolFolder | None, outcome: Outcome) -> Outcome:
        """The outcome with its images in the bucket. Those that waited come under keys of now, for their life begins
        now: else one of five minutes would be swept as it came."""
        now, images = self._clock(), list(outcome.images)
        for place, image in enumerate(images):
            data = await asyncio.to_thread(shelf.get, image.key) if shelf is not None and image.key else None
            if data is None and image.key in self._waiting:
                raise VanishedError(f"{image.key} is gone from the spool; the task is run again")
            if data is not None:
                images[place] = image.model_copy(update={"key": _key(outcome, image, now)})
                await self._bucket.put(images[place].key, data)
        if tuple(images) == outcome.images:
            return outcome
        return outcome.model_copy(update={"images": tuple(images), "finished_at": now})

    def _keep(self, name: str, data: bytes) -> bool:
        """Whether it could be written: the disk may be full, or for reading alone."""
        try:
            with self._taking:  # several keep something at once, and must not each take a shelf
                if self._shelf is None:
                    own = self._folder / uuid.uuid4().hex
                    own.mkdir(parents=True)
                    self._shelf = SpoolFolder.taken(own)
            if self._shelf is not None:
                self._shelf.put(name, data)
            return self._shelf is not None
        except OSError as error:
            log.warning("nothing can wait in %s (%s)", self._folder, error)
            return False

    def _left(self) -> list[SpoolFolder]:
        left = []
        for lock in sorted(self._folder.glob(f"*/{LOCK}")):
            with contextlib.suppress(OSError):  # its worker has just put it away
                left.append(SpoolFolder.taken(lock.parent))
        return [shelf for shelf in left if shelf is not None]


def _key(outcome: Outcome, image: Image, now: float) -> str:
    task = outcome.task
    name = PurePosixPath(image.key).name
    return image_key(task.retention, now + RETENTION_S[task.retention], task.id, outcome.attempt, name)


def _name(outcome: Outcome) -> str:
    return f"{outcome.attempt}{OUTCOME}"
