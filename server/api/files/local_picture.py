"""A picture of the operator, such as the preview of a model, as a response."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import Response
from fastapi.responses import FileResponse

from models.plain_files import open_plain
from server.images.codec import BadImageError, format_of

MAX_BYTES = 16 << 20
"""A larger picture is not shown; those of model sites have a few MB at most."""
MAX_AGE_S = 60
"""How long a client may show a picture without asking again."""
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {f"image/{kind}": {} for kind in ("png", "jpeg", "webp")}, "description": "The picture."},
    304: {"description": "The client already has this picture (If-None-Match)."},
}
_START_BYTES = 64


def picture_response(picture: Path, if_none_match: str | None) -> Response | None:
    """None for a file that is no picture, or too large to be shown."""
    media_type = _type_of(picture)
    if media_type is None:
        return None
    status = picture.stat()
    headers = {
        "ETag": f'"{status.st_mtime_ns:x}-{status.st_size:x}"',
        "Cache-Control": f"private, max-age={MAX_AGE_S}",
    }
    if if_none_match is not None and headers["ETag"] in if_none_match:
        return Response(status_code=304, headers=headers)
    return FileResponse(picture, media_type=media_type, headers=headers)


def _type_of(picture: Path) -> str | None:
    """The media type by its content."""
    try:
        if not picture.is_file() or picture.stat().st_size > MAX_BYTES:
            return None
        with open_plain(picture) as file:
            return f"image/{format_of(file.read(_START_BYTES)).lower()}"
    except (OSError, BadImageError):
        return None
