"""Reads bodies that are a form or a JSON object, and fields of forms that may come more than once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from json import JSONDecodeError
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

MAX_FIELDS = 200
_NAME = re.compile(r"([^\[\]]+)(?:\[([^\[\]]*)\])?")
"""`name`, `name[]` or `name[key]`."""


@dataclass(frozen=True, slots=True)
class Form:
    """The parts of a form. HUA_MAX_UPLOAD limits the size of all of them together."""

    fields: dict[str, Any] = field(default_factory=dict)
    """Texts by name: a string; a list of strings for `name[]` and names that came twice; a dict for `name[key]`."""
    files: dict[str, list[bytes]] = field(default_factory=dict)
    """Files by name, in their order; those of `name[]` are under `name`."""


def is_form(request: Request) -> bool:
    """Whether the body is a form, as its content type says."""
    return request.headers.get("content-type", "").startswith(
        ("multipart/form-data", "application/x-www-form-urlencoded")
    )


async def read_form(request: Request, max_files: int) -> Form:
    """Raises HTTPException for a form that cannot be read, or has too many parts."""
    form = Form()
    async with request.form(max_files=max_files, max_fields=MAX_FIELDS) as parts:
        for name, value in parts.multi_items():
            match = _NAME.fullmatch(name)
            base, key = (match[1], match[2]) if match else (name, None)
            if isinstance(value, UploadFile):
                form.files.setdefault(base, []).append(await value.read())
            else:
                _add_text(form.fields, base, key, value)
    return form


async def read_json_object(request: Request) -> dict[str, Any]:
    """Raises HTTPException for a body that is no JSON object.

    Also for one that is not declared to be JSON: BodySizeLimit has not counted its values and its depth.
    """
    if "json" not in request.headers.get("content-type", "").lower():
        raise HTTPException(400)
    try:
        body = await request.json()
    except (JSONDecodeError, UnicodeDecodeError) as error:
        raise HTTPException(400) from error
    if not isinstance(body, dict):
        raise HTTPException(400)
    return body


def _add_text(fields: dict[str, Any], name: str, key: str | None, value: str) -> None:
    if key:
        known = fields.get(name)
        fields[name] = {**(known if isinstance(known, dict) else {}), key: value}
    elif key == "" or name in fields:
        known = fields.get(name, [])
        fields[name] = [*(known if isinstance(known, list) else [known]), value]
    else:
        fields[name] = value
