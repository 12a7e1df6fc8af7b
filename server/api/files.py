"""Result images, for whoever holds a link that we signed."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Response

from server.api.errors import documented
from server.api.given import GivenServices
from server.links import LinkExpiredError
from server.task import Format, Image, Manifest

router = APIRouter(tags=["files"])
PATH = "/files/{task_id}/{index}.{extension}"
MEDIA_TYPES: dict[Format, str] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


@router.head(PATH, include_in_schema=False)
@router.get(
    PATH,
    response_class=Response,
    responses={
        200: {"content": {media: {} for media in MEDIA_TYPES.values()}, "description": "The image."},
        304: {"description": "You have it already (If-None-Match)."},
        **documented(403, 410, 422, 503),
    },
)
async def get_image(
    services: GivenServices,
    task_id: Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")],
    index: Annotated[int, Path(ge=0, le=999)],
    extension: Format,
    expires: Annotated[int, Query(ge=0, lt=2**53, description="Unix seconds.")],
    signature: Annotated[str, Query(max_length=128)],
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """One image of a task, by the link that the task gives."""
    services.links.check_image(task_id, index, extension, expires, signature)
    manifest = await services.bucket.manifest(task_id)
    if manifest is None or index >= len(manifest.outcome.images):
        raise LinkExpiredError("this image is deleted; make it again")
    image = manifest.outcome.images[index]
    headers = _headers(manifest, image, index)
    if if_none_match is not None and headers["ETag"] in if_none_match:
        return Response(status_code=304, headers=headers)
    data = await services.bucket.get(image.key)
    if data is None:
        raise LinkExpiredError("this image is deleted; make it again")
    return Response(data, headers=headers, media_type=MEDIA_TYPES[image.format])


def _headers(manifest: Manifest, image: Image, index: int) -> dict[str, str]:
    age_s = max(0, int(manifest.expires_at - time.time()))
    return {
        "ETag": f'"{image.sha256}"',
        "Cache-Control": f"private, max-age={age_s}, immutable",
        "Content-Disposition": f'inline; filename="{manifest.task.id}-{index}.{image.format}"',
    }
