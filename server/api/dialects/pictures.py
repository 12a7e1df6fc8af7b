"""The files of pictures: those that clients send with a request, and those of results."""

from __future__ import annotations

import base64

from server.services import Services
from server.storage.signed_links import LinkExpiredError
from server.task import Image
from server.tasks.input_images import InputImages, Upload


async def store_picture(services: Services, tenant: str, data: bytes) -> Upload:
    """Stores a file as an upload, whose id any param that is an image takes. Equal files are stored once.

    Raises BadImageError, UploadLimitError, BucketUnavailableError.
    """
    return await InputImages.of(services).store(data, tenant)


async def read_result(services: Services, image: Image) -> bytes:
    """The file of a result that the audit does not withhold. Raises LinkExpiredError if it is deleted."""
    data = await services.bucket.get(image.key)
    if data is None:
        raise LinkExpiredError("this image is deleted; generate it again")
    return data


async def result_in_base64(services: Services, image: Image) -> str:
    """As `read_result`, in base64."""
    return base64.b64encode(await read_result(services, image)).decode()
