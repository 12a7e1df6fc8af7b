"""Pictures that a request follows: their style, sent with it or stored under the code of an earlier answer, or a face.

Ideogram's own codes are of its models. Here a code stands for one picture of one tenant, kept for some time after its
last use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from server.api.dialects.forms import Form
from server.api.dialects.ideogram.body import stored_file
from server.api.dialects.ideogram.request_v3 import V3Request
from server.api.dialects.image_prompts import face_prompt, image_prompt, require_ip_adapter
from server.api.dialects.pictures import store_picture
from server.images.codec import BadImageError, measure, preview_jpeg
from server.services import Services
from server.storage.bucket_keys import style_key
from server.tasks.input_images import DECODER, PHOTO_PIXELS, BadInputError
from server.tasks.submission import InvalidParamsError

CODES, PICTURES, CHARACTER = "style_codes", "style_reference_images", "character_reference_images"
LONGEST = 512
"""Side of a stored picture, in pixels; vision encoders see less."""
DIGITS = 8


@dataclass(frozen=True, slots=True)
class FollowedStyle:
    params: dict[str, Any] = field(default_factory=dict)
    """Those of a painting that follows the pictures."""
    codes: Sequence[str] = ()
    """Those of pictures that came with the request."""


async def followed_style(services: Services, tenant: str, form: Form, body: V3Request, model: str) -> FollowedStyle:
    """Raises InvalidParamsError, BadInputError, UploadLimitError, BucketUnavailableError."""
    files = form.files.get(PICTURES, [])
    _refuse_text(form)
    if CHARACTER in form.files:
        return await _followed_character(services, tenant, form, body, model)
    if not files and not body.style_codes:
        return FollowedStyle()
    if files and body.style_codes:
        raise InvalidParamsError(f"{CODES} and {PICTURES} exclude each other; send only one of them", CODES)
    name = PICTURES if files else CODES
    require_ip_adapter(services.catalog, model, name)
    pictures = [await _reduced(services, data) for data in files]
    codes = [code.upper() for code in body.style_codes] or [_code(picture) for picture in pictures]
    pictures = pictures or [await _recalled(services, tenant, code) for code in codes]
    for code, picture in zip(codes, pictures, strict=True):
        await services.bucket.put(style_key(tenant, code), picture)
    uploads = [await store_picture(services, tenant, picture) for picture in pictures]
    params = image_prompt([upload.id for upload in uploads], name)
    return FollowedStyle(params, tuple(dict.fromkeys(codes)) if files else ())


async def _followed_character(
    services: Services, tenant: str, form: Form, body: V3Request, model: str
) -> FollowedStyle:
    """Raises InvalidParamsError, BadInputError, UploadLimitError."""
    if form.files.get(PICTURES) or body.style_codes:
        raise InvalidParamsError(f"{CHARACTER} excludes {CODES} and {PICTURES}; send only one of them", CHARACTER)
    if len(form.files[CHARACTER]) > 1:
        raise InvalidParamsError(f"{CHARACTER} may hold one picture; send the one with the clearest face", CHARACTER)
    face_prompt(services.catalog, model, "", CHARACTER)
    upload = await stored_file(services, tenant, form, CHARACTER)
    return FollowedStyle(face_prompt(services.catalog, model, upload.id, CHARACTER))


def _refuse_text(form: Form) -> None:
    for name in (PICTURES, CHARACTER):
        if form.fields.get(name):
            raise InvalidParamsError(f"{name} are files of a multipart form; send them so", name)


async def _reduced(services: Services, data: bytes) -> bytes:
    """A small JPEG, which equal files have in common. Raises BadInputError."""
    limit = max(services.settings.max_pixels, PHOTO_PIXELS)
    try:
        measure(data, limit)
        return preview_jpeg(await DECODER.decode(data, limit), LONGEST)
    except BadImageError as error:
        raise BadInputError(PICTURES, str(error)) from error


async def _recalled(services: Services, tenant: str, code: str) -> bytes:
    picture = await services.bucket.get(style_key(tenant, code))
    if picture is None:
        raise InvalidParamsError(
            f"there is no style {code}; answers to requests with {PICTURES} have codes, which are kept for 30 days "
            "after their last use",
            CODES,
        )
    return picture


def _code(picture: bytes) -> str:
    return hashlib.sha256(picture).hexdigest()[:DIGITS].upper()
