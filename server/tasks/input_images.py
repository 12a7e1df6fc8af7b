"""The images that a task names: judged when it is submitted, fetched and decoded when it runs."""

from __future__ import annotations

import asyncio
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.params.image_refs import image_references
from pipelines.pipeline import Params
from server.egress.client import Egress, EgressDeniedError, EgressFailedError
from server.images.codec import BadImageError, decode, measure
from server.storage.bucket import Bucket, upload_key
from server.task import Task

if TYPE_CHECKING:
    import numpy as np

    from server.services import Services

PAUSES_S = (0.5, 1.0)
"""Between the tries to fetch an image."""

PHOTO_PIXELS = 6000 * 4000
"""What cameras make: an image may come in larger than any that we generate, and is shrunk by its recipe."""

PHOTOS, AT_ONCE = 4, 4
"""So many of the largest images may a task name, or more smaller ones: they lie in memory together, unfolded, before it
begins. So many files are read at once meanwhile."""

_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_UPLOAD_ID = re.compile(r"file-[0-9a-f]{32}")


class BadInputError(Exception):
    """An image that a task names cannot be used; `field` is the path of the parameter that names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Upload:
    """An image file that is kept for a tenant. The same bytes have the same id."""

    id: str
    width: int
    height: int


class Room:
    """How many pixels the images of one task may have in all."""

    def __init__(self, pixels: int) -> None:
        self._most = self._left = pixels

    def take(self, size: tuple[int, int]) -> None:
        """Raises BadImageError."""
        self._left -= size[0] * size[1]
        if self._left < 0:
            raise BadImageError(f"the images of this task have over {self._most} pixels in all; send smaller ones")


class Inputs:
    """`max_upload` bounds a file in bytes, `max_pixels` what it unfolds to."""

    def __init__(self, egress: Egress, bucket: Bucket, max_upload: int, max_pixels: int) -> None:
        self._egress = egress
        self._bucket = bucket
        self._max_upload = max_upload
        self._max_pixels = max_pixels

    @classmethod
    def of(cls, services: Services) -> Inputs:
        settings = services.settings
        max_pixels = max(settings.max_pixels, PHOTO_PIXELS)
        return cls(services.egress, services.bucket, settings.max_upload, max_pixels)

    async def check(self, params: Params, tenant: str) -> None:
        """Raises BadInputError for what can be refused without fetching: no network, no pixels decoded."""
        room = self._room()
        for field, reference in image_references(params).items():
            await self._check(field, reference, tenant, room)

    async def absorb(self, params: Params, tenant: str) -> dict[str, str]:
        """Checks as `check`, keeps what is inline, and answers, by path, the ids that name it: records stay small.

        Uploads that are named are kept anew, so that they do not expire while the task waits.
        """
        kept, room = {}, self._room()
        for field, reference in image_references(params).items():
            data = await self._check(field, reference, tenant, room)
            if data is not None:
                kept[field] = (await self.keep(data, tenant)).id
        return kept

    async def keep(self, data: bytes, tenant: str) -> Upload:
        """Stores an image file for later tasks; raises BadImageError."""
        if len(data) > self._max_upload:
            raise BadImageError(f"the file has {len(data)} bytes; {self._max_upload} are the most, send a smaller one")
        width, height = await asyncio.to_thread(measure, data, self._max_pixels)
        upload = Upload(f"file-{hashlib.sha256(data).hexdigest()[:32]}", width, height)
        await self._bucket.put(upload_key(tenant, upload.id), data)
        return upload

    async def fetch(self, task: Task, params: Params) -> dict[str, np.ndarray]:
        """uint8 pixels [height, width, 3 or 4] by path; raises BadInputError."""
        room, hands = self._room(), asyncio.Semaphore(AT_ONCE)

        async def pixels(field: str, reference: str) -> np.ndarray:
            async with hands:
                return await self._pixels(field, reference, task.tenant, room)

        try:
            async with asyncio.TaskGroup() as group:
                found = {item[0]: group.create_task(pixels(*item)) for item in image_references(params).items()}
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return {field: fetched.result() for field, fetched in found.items()}

    def _room(self) -> Room:
        return Room(PHOTOS * self._max_pixels)

    async def _check(self, field: str, reference: str, tenant: str, room: Room) -> bytes | None:
        """The bytes of the image, or None for a URL, whose turn comes later."""
        try:
            if _URL.match(reference):
                self._egress.check(reference)
                return None
            data = await self._local(reference, tenant)
            room.take(await asyncio.to_thread(measure, data, self._max_pixels))
            return data
        except (EgressDeniedError, BadImageError) as error:
            raise BadInputError(field, str(error)) from error

    async def _pixels(self, field: str, reference: str, tenant: str, room: Room) -> np.ndarray:
        try:
            remote = _URL.match(reference)
            data = await (self._download(reference) if remote else self._local(reference, tenant))
            room.take(await asyncio.to_thread(measure, data, self._max_pixels))
            return await asyncio.to_thread(decode, data, self._max_pixels)
        except (EgressDeniedError, EgressFailedError, BadImageError) as error:
            raise BadInputError(field, str(error)) from error

    async def _local(self, reference: str, tenant: str) -> bytes:
        """What needs no network: an upload of this tenant, or the reference itself."""
        if not _UPLOAD_ID.fullmatch(reference):
            return _inline(reference, self._max_upload)
        data = await self._bucket.get(upload_key(tenant, reference))
        if data is None:
            raise BadImageError(f"there is no upload {reference}, or no longer; send the image to POST /v1/files again")
        return data

    async def _download(self, url: str) -> bytes:
        for pause_s in PAUSES_S:
            try:
                return await self._egress.fetch(url, self._max_upload)
            except EgressFailedError as error:
                if error.lasting:
                    raise
            await asyncio.sleep(pause_s)
        return await self._egress.fetch(url, self._max_upload)


def _inline(reference: str, max_bytes: int) -> bytes:
    """The bytes of a data: URI or of bare base64; raises BadImageError."""
    encoded = reference
    if reference[:5].lower() == "data:":
        head, _, encoded = reference.partition(",")
        if not head.lower().endswith(";base64"):
            raise BadImageError("the data: URI is not base64; write data:image/png;base64,…")
    encoded = "".join(encoded.split())
    if len(encoded) // 4 * 3 - encoded[-2:].count("=") > max_bytes:
        raise BadImageError(f"the image has more than {max_bytes} bytes; send a smaller one")
    try:
        return binascii.a2b_base64(encoded, strict_mode=True)
    except ValueError:
        raise BadImageError(
            "this is neither an http(s) URL, a data: URI, base64 nor the id of an upload; send one of them"
        ) from None
