"""Image files that clients upload before they submit tasks that use them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Path, Request, Response
from pydantic import BaseModel, Field
from starlette.datastructures import UploadFile

from server.api.authenticated_route import AuthenticatedRoute
from server.api.dependencies import Reader, ServicesDep, Uploader
from server.api.errors import error_responses
from server.api.files.routes import CONTENT
from server.api.router import Router
from server.images.codec import format_of
from server.tasks.input_images import UPLOAD_ID, InputImages

UPLOAD_LIFETIME_S = 86_400

router = Router(prefix="/v1/files", tags=["files"], route_class=AuthenticatedRoute)

_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_FORM: dict[str, Any] = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary"}},
    }
}
BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": _FORM,
        **dict.fromkeys(("image/png", "image/jpeg", "image/webp"), _BINARY),
    },
}


_SAME_FOR_EVER = {"Cache-Control": f"private, max-age={UPLOAD_LIFETIME_S}, immutable"}
"""The id is made of the bytes."""


class NoFileError(Exception):
    """The form has no file."""


class UnknownUploadError(Exception):
    """The tenant has no such upload, or none any more."""


class UploadReply(BaseModel):
    id: str = Field(description="Use it as the value of any param that is an image.")
    width: int
    height: int
    expires_at: datetime


@router.post(
    "", status_code=201, responses=error_responses(400, 401, 413, 422, 429, 503), openapi_extra={"requestBody": BODY}
)
async def upload_file(request: Request, services: ServicesDep, tenant: Uploader) -> UploadReply:
    """Stores a PNG, JPEG or WebP for a day. The body is the file itself, or a form with the field `file`."""
    upload = await InputImages.of(services).store(await read_file(request), tenant)
    expires_at = datetime.fromtimestamp(services.clock() + UPLOAD_LIFETIME_S, UTC)
    return UploadReply(id=upload.id, width=upload.width, height=upload.height, expires_at=expires_at)


@router.get(
    "/{upload_id}",
    response_class=Response,
    responses={200: {**CONTENT, "description": "The image."}, **error_responses(401, 403, 404, 422, 503)},
)
async def get_upload(
    services: ServicesDep, tenant: Reader, upload_id: Annotated[str, Path(pattern=UPLOAD_ID.pattern)]
) -> Response:
    """An image that was uploaded, or that came with a task, whose params then have its id; for a day."""
    data = await services.uploads.get(tenant, upload_id)
    if data is None:
        raise UnknownUploadError(f"the upload {upload_id} is unknown or has expired; each is kept for a day")
    return Response(data, headers=_SAME_FOR_EVER, media_type=f"image/{format_of(data).lower()}")


async def read_file(request: Request) -> bytes:
    """The body of a request, or the file in its form. Raises NoFileError."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await request.body()
    async with request.form(max_files=1, max_fields=10) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise NoFileError(
                "the form has no file; send the image in the field `file`, for example curl -F file=@image.png"
            )
        return await file.read()
