"""Reads the body of a request: a form with pictures, or JSON."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from server.api.body_schema import body_schema
from server.api.dialects.forms import Form, is_form, read_form, read_json_object
from server.api.dialects.pictures import store_picture
from server.images.codec import BadImageError
from server.services import Services
from server.tasks.input_images import BadInputError, Upload
from server.tasks.submission import InvalidParamsError
from server.tasks.validation_errors import describe_errors

MAX_FILES = 16
JSON_PARTS = ("image_request", "color_palette")
"""Fields that some clients send as files, because JSON has a content type of its own."""
UNSUPPORTED = {
    "character_reference_images": "send them to the routes of V3, /v1/ideogram-v3",
    "custom_model_uri": "the operator chooses the model with the alias V_3 in models.yaml",
}
"""What is refused, and what to use instead."""
R = TypeVar("R", bound=BaseModel)


def form_schema(kind: type[BaseModel], *files: str, in_request: bool = False) -> dict[str, Any]:
    """The body of a form for the OpenAPI document. `in_request`: all but the files is in the field `image_request`."""
    schema = body_schema(kind)
    fields, required = schema["properties"], schema.get("required", [])
    if in_request:
        fields, required = {"image_request": schema}, ["image_request"]
    fields = {**fields, **{name: {"type": "string", "format": "binary"} for name in files}}
    whole = {"type": "object", "properties": fields, "required": [*required, *files]}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": whole}}}}


async def read_body(request: Request, supported: Collection[str] = ()) -> Form:
    """The fields and files of a form; the fields of a JSON object. Raises HTTPException, InvalidParamsError.

    `supported` are names of UNSUPPORTED that this route takes all the same.
    """
    form = await read_form(request, MAX_FILES) if is_form(request) else Form(await read_json_object(request))
    for name in form.files.keys() & set(JSON_PARTS):
        form.fields[name] = form.files.pop(name)[0].decode(errors="replace")
    for name, advice in UNSUPPORTED.items():
        if name not in supported and (form.fields.get(name) or form.files.get(name)):
            raise InvalidParamsError(f"{name} is not supported here; {advice}", name)
    return form


def validated(kind: type[R], fields: Mapping[str, Any]) -> R:
    """Raises InvalidParamsError."""
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        field, message = describe_errors(error.errors(include_url=False), kind.model_fields)
        raise InvalidParamsError(message, field) from error


def image_request(kind: type[R], form: Form) -> R:
    """The field `image_request`: an object, or its JSON in a form. Raises InvalidParamsError."""
    value = form.fields.get("image_request")
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise InvalidParamsError(f"image_request is not valid JSON ({error})", "image_request") from error
    if not isinstance(value, dict):
        raise InvalidParamsError("image_request is missing; send it as a JSON object", "image_request")
    return validated(kind, value)


async def stored_file(services: Services, tenant: str, form: Form, name: str) -> Upload:
    """The picture of this name, stored. Raises InvalidParamsError, BadInputError, UploadLimitError."""
    files = form.files.get(name)
    if not files:
        raise InvalidParamsError(f"{name} is missing; send the picture as a file of a multipart form", name)
    try:
        return await store_picture(services, tenant, files[0])
    except BadImageError as error:
        raise BadInputError(name, str(error)) from error
