"""The input images of a task: checked when it is submitted, fetched and decoded when it runs."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipelines.params.image_refs import ImageRef, image_references
from pipelines.pipeline import Params
from server.egress.client import Egress, EgressDeniedError, EgressFailedError
from server.images.base64_file import decode_base64
from server.images.codec import BadImageError, has_alpha, measure
from server.images.decoder import Decoder
from server.storage.bucket import BucketUnavailableError
from server.task import Task
from server.tasks.result_images import ResultImages
from server.tenancy.uploads import Uploads

if TYPE_CHECKING:
    import numpy as np

    from server.services import Services

RETRY_PAUSES_S = (0.5, 1.0)
"""Pauses between the tries to fetch an image."""

PHOTO_PIXELS = 6000 * 4000
"""Photos may be larger than any image that we generate; the recipe makes them smaller."""

MAX_PHOTOS = 4
"""A task may have this many images of the largest size, or more smaller ones: all of them are in memory at once."""

CONCURRENT_READS = 4

KEEP_S = 20.0
"""Seconds to store the images of a task. RESERVED_S in server/queue/redis/scripts.py is longer."""

DECODER = Decoder()
"""One for all workers of this process, so that its limits bound the memory of them all."""

_URL = re.compile(r"[a-z][a-z0-9+.-]{0,15}://", re.IGNORECASE)
UPLOAD_ID = re.compile(r"^file-[0-9a-f]{32}$")


class BadInputError(Exception):
    """An input image cannot be used. `field` is the path of its parameter."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class Upload:
    """A stored image file of a tenant. Equal bytes have equal ids."""

    id: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class CheckedImages:
    """The images of a task that are to be stored: those that came with it, and uploads and results that it names."""

    ids: Mapping[str, str]
    """The upload id of each image, by the path of its parameter."""
    inline: Mapping[str, bytes]
    """The images that came with the task, and results of other tasks, by upload id."""


class PixelBudget:
    """The number of pixels that the images of one task may have in all."""

    def __init__(self, pixels: int) -> None:
        self._total = self._left = pixels

    def spend(self, size: tuple[int, int]) -> None:
        """Raises BadImageError."""
        self._left -= size[0] * size[1]
        if self._left < 0:
            raise BadImageError(f"the images of this task have over {self._total} pixels in all; send smaller ones")


class InputImages:
    """Checks, stores and fetches input images: files of at most `max_upload` bytes and `max_pixels` pixels."""

    def __init__(
        self,
        egress: Egress,
        uploads: Uploads,
        max_upload: int,
        max_pixels: int,
        results: ResultImages | None = None,
    ) -> None:
        """`results`: None where references to results never arrive, because `check` has replaced them."""
        self._egress = egress
        self._uploads = uploads
        self._results = results
        self._max_upload = max_upload
        self._max_pixels = max_pixels

    @classmethod
    def of(cls, services: Services) -> InputImages:
        settings = services.settings
        max_pixels = max(settings.max_pixels, PHOTO_PIXELS)
        return cls(services.egress, services.uploads, settings.max_upload, max_pixels, ResultImages(services))

    async def check(
        self, params: Params, tenant: str, transparent: Mapping[str, str] = MappingProxyType({})
    ) -> CheckedImages:
        """Finds all that can be refused without network and without decoding. Stores nothing.

        `transparent`: why images that cannot have transparent pixels are refused, by path. Raises BadInputError.
        """
        budget, ids, inline = self._budget(), {}, {}
        for field, reference in image_references(params).items():
            checked = await self._check(field, reference, tenant, budget)
            if checked is None:
                continue
            upload, data = checked
            if field in transparent and not has_alpha(data):
                raise BadInputError(field, transparent[field])
            ids[field] = upload.id
            if upload.id != reference:
                inline[upload.id] = data
        return CheckedImages(ids, inline)

    async def keep(self, images: CheckedImages, tenant: str) -> None:
        """Stores inline images, and uploads once more, so that none expires while the task is queued.

        Raises UploadLimitError, BucketUnavailableError.
        """
        try:
            async with asyncio.timeout(KEEP_S):
                await self._uploads.put(tenant, images.inline)
                for upload_id in set(images.ids.values()) - images.inline.keys():
                    await self._uploads.renew(tenant, upload_id)
        except TimeoutError:
            raise BucketUnavailableError(
                f"the bucket took more than {KEEP_S:g} s to store the images of this task; try again later"
            ) from None

    async def store(self, data: bytes, tenant: str) -> Upload:
        """Stores an image file for later tasks. Raises BadImageError, UploadLimitError."""
        if len(data) > self._max_upload:
            raise BadImageError(f"the file has {len(data)} bytes; send one of {self._max_upload} bytes at most")
        upload = await asyncio.to_thread(self._inspect, data)
        await self._uploads.put(tenant, {upload.id: data})
        return upload

    async def fetch(self, task: Task, params: Params) -> dict[str, bytes]:
        """The files of all images by path. Raises BadInputError."""
        reads = asyncio.Semaphore(CONCURRENT_READS)

        async def read(field: str, reference: str) -> bytes:
            async with reads:
                try:
                    read_file = self._download if _URL.match(reference) else self._local
                    return await read_file(reference, task.tenant)
                except (EgressDeniedError, EgressFailedError, BadImageError) as error:
                    raise BadInputError(field, str(error)) from error

        try:
            async with asyncio.TaskGroup() as group:
                fetches = {item[0]: group.create_task(read(*item)) for item in image_references(params).items()}
        except ExceptionGroup as group_error:
            raise group_error.exceptions[0] from None
        return {field: fetch.result() for field, fetch in fetches.items()}

    async def decode(self, files: Mapping[str, bytes]) -> dict[str, np.ndarray]:
        """The pixels of image files by path: uint8 [height, width, 3 or 4]. Raises BadInputError."""
        budget, pixels = self._budget(), {}
        for field, data in files.items():
            try:
                pixels[field] = await DECODER.decode(data, self._max_pixels)
                budget.spend(pixels[field].shape[:2])
            except BadImageError as error:
                raise BadInputError(field, str(error)) from error
        return pixels

    def _budget(self) -> PixelBudget:
        return PixelBudget(MAX_PHOTOS * self._max_pixels)

    async def _check(
        self, field: str, reference: ImageRef, tenant: str, budget: PixelBudget
    ) -> tuple[Upload, bytes] | None:
        """The image and its bytes; None for a URL, which is fetched later.

        A result is stored like an image that came with the task, because it may expire before the task runs.
        """
        try:
            if self._results and (result := self._results.find(reference)):
                data = await self._results.read(*result, tenant)
            elif _URL.match(reference):
                self._egress.check(reference)
                return None
            else:
                data = await self._local(reference, tenant)
            upload = await asyncio.to_thread(self._inspect, data)
            budget.spend((upload.width, upload.height))
            return upload, data
        except (EgressDeniedError, BadImageError) as error:
            raise BadInputError(field, str(error)) from error

    def _inspect(self, data: bytes) -> Upload:
        width, height = measure(data, self._max_pixels)
        return Upload(f"file-{hashlib.sha256(data).hexdigest()[:32]}", width, height)

    async def _local(self, reference: str, tenant: str) -> bytes:
        """The bytes of an upload of this tenant, or of an inline image."""
        if not UPLOAD_ID.fullmatch(reference):
            return await decode_base64(reference, self._max_upload)
        data = await self._uploads.get(tenant, reference)
        if data is None:
            raise BadImageError(
                f"the upload {reference} is unknown or has expired; send the image to POST /v1/files again"
            )
        return data

    async def _download(self, url: str, tenant: str) -> bytes:
        for pause_s in RETRY_PAUSES_S:
            try:
                return await self._egress.fetch(url, self._max_upload, tenant)
            except EgressFailedError as error:
                if error.permanent:
                    raise
            await asyncio.sleep(pause_s)
        return await self._egress.fetch(url, self._max_upload, tenant)
