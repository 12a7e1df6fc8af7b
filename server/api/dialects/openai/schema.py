"""The bodies of requests with pictures, and the streamed answers, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from server.api.body_schema import body_schema
from server.api.dialects.openai.request import EditRequest, ImageRequest, VariationRequest

STREAM: dict[str, Any] = {"text/event-stream": {"schema": {"type": "string"}}}
_FILE = {"type": "string", "format": "binary"}
_REFERENCE = {
    "type": "object",
    "properties": {
        "image_url": {"type": "string", "description": "A URL or a data: URI."},
        "file_id": {"type": "string", "description": "The id of an upload to POST /v1/files."},
    },
}


def _body(request: type[ImageRequest], *, has_mask: bool) -> dict[str, Any]:
    schema = body_schema(request)
    files: dict[str, Any] = {"image": _FILE} | ({"mask": _FILE} if has_mask else {})
    references: dict[str, Any] = {"images": {"type": "array", "items": _REFERENCE, "minItems": 1}}
    references |= {"mask": _REFERENCE} if has_mask else {}
    return {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": _with(schema, files, "image")},
            "application/json": {"schema": _with(schema, references, "images")},
        },
    }


def _with(schema: dict[str, Any], properties: dict[str, Any], required: str) -> dict[str, Any]:
    return {
        **schema,
        "properties": {**schema["properties"], **properties},
        "required": [*schema.get("required", []), required],
    }


EDIT_BODY = _body(EditRequest, has_mask=True)
VARIATION_BODY = _body(VariationRequest, has_mask=False)
