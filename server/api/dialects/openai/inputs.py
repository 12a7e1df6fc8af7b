"""The pictures of an edit or a variation: files of a form, or references in JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from server.api.dialects.forms import is_form, read_form, read_json_object
from server.api.dialects.openai.request import Size
from server.api.dialects.pictures import store_picture
from server.images.codec import BadImageError, has_alpha
from server.services import Services
from server.tasks.input_images import BadInputError
from server.tasks.submission import InvalidParamsError

MAX_FILES = 17
"""16 pictures and a mask."""
IMAGE, MASK = "image", "mask"


@dataclass(frozen=True, slots=True)
class InputPicture:
    reference: str
    """The value of a param that is an image."""
    size: Size | None = None
    """Width and height; None if the picture is fetched later."""
    has_alpha: bool | None = None
    """None if it is not known yet."""


@dataclass(frozen=True, slots=True)
class SentPictures:
    """The pictures of a request, and its other fields."""

    fields: Mapping[str, Any]
    pictures: Sequence[InputPicture]
    mask: InputPicture | None


async def read_pictures(request: Request, services: Services, tenant: str) -> SentPictures:
    """Raises InvalidParamsError, BadInputError, UploadLimitError, HTTPException."""
    if is_form(request):
        form = await read_form(request, MAX_FILES)
        fields, files = form.fields, form.files
    else:
        fields, files = await read_json_object(request), {}
    references = [*_references(fields.get(IMAGE), IMAGE), *_references(fields.get("images"), "images")]
    masks = _references(fields.get(MASK), MASK)
    pictures = [await _stored(services, tenant, IMAGE, data) for data in files.get(IMAGE, ())]
    stored_masks = [await _stored(services, tenant, MASK, data) for data in files.get(MASK, ())]
    all_pictures = [*pictures, *map(InputPicture, references)]
    all_masks = [*stored_masks, *map(InputPicture, masks)]
    if not all_pictures:
        raise InvalidParamsError("image is missing; send it as a part of a form, or in JSON as images", IMAGE)
    others = {name: value for name, value in fields.items() if name not in (IMAGE, "images", MASK)}
    return SentPictures(others, all_pictures, all_masks[0] if all_masks else None)


async def _stored(services: Services, tenant: str, field: str, data: bytes) -> InputPicture:
    try:
        upload = await store_picture(services, tenant, data)
    except BadImageError as error:
        raise BadInputError(field, str(error)) from error
    return InputPicture(upload.id, (upload.width, upload.height), has_alpha(data))


def _references(value: Any, field: str) -> list[str]:
    """The references in `value`: a URL, a data: URI or an id, alone, in an object or in a list."""
    found: list[str] = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, Mapping):
            item = item.get("image_url") or item.get("file_id")
        if isinstance(item, Mapping):
            item = item.get("url")
        if item is None or item == "":
            continue
        if not isinstance(item, str):
            raise InvalidParamsError(f"{field}: send image_url with a URL or a data: URI, or file_id", field)
        found.append(item)
    return found
