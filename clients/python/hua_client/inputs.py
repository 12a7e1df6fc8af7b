"""What may be an image in the params of a task, and how it gets to the server."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol, Self, TypeAlias

from hua_client.base_task import BaseTask, ImageInfo, Json
from hua_client.errors import WithheldError

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage


class Picture(Protocol):
    """An image of Pillow, by what is used of it: Pillow need not be there for the checkers of types either."""

    @property
    def mode(self) -> str: ...

    def convert(self, mode: str) -> Self: ...

    def save(self, fp: IO[bytes], format: str | None = None) -> None: ...


ImageInput: TypeAlias = str | Path | bytes | ImageInfo | BaseTask[Any] | Picture
"""What may be an image in a call: a path, bytes, a result, an image of Pillow, a link, or the id of an upload."""
_REFERENCE = re.compile(r"[a-z][a-z0-9+.-]{0,15}://|data:|file-[0-9a-f]{32}$", re.IGNORECASE)
_PNG_MODES = {"1", "L", "LA", "I;16", "P", "RGB", "RGBA"}


def as_image(value: ImageInput) -> Any:
    """The argument of a call that takes an image: a text is a path, unless it is a link or the id of an upload."""
    return Path(value) if isinstance(value, str) and not _REFERENCE.match(value) else value


def is_file(value: Any) -> bool:
    """Whether a value in params is an image that must be uploaded. Texts are not: they may be anything."""
    return isinstance(value, Path | bytes | bytearray) or _is_pillow(value)


def file_bytes(value: Any) -> bytes:
    """The image file. Raises OSError."""
    if isinstance(value, Path):
        return value.read_bytes()
    return _png(value) if _is_pillow(value) else bytes(value)


def result_image(value: Any) -> ImageInfo | None:
    """The image, if the value is a result of an earlier task."""
    if isinstance(value, BaseTask):
        image: ImageInfo = value.image
        return image
    return value if isinstance(value, ImageInfo) else None


def result_reference(image: ImageInfo) -> Json:
    """What the server that has the result takes in place of its file. Raises WithheldError."""
    check_not_withheld(image)
    return {"task": image.task_id, "index": image.index}


def check_not_withheld(image: ImageInfo) -> None:
    """Raises WithheldError."""
    if not image.url:
        raise WithheldError(f"the server withholds this image: {image.reason}")


def _is_pillow(value: Any) -> bool:
    """Pillow need not be there. Where it was not imported, nothing is an image of it."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def decode(data: bytes) -> PillowImage:
    """Raises ImportError if Pillow is not installed."""
    try:
        from PIL.Image import open as read
    except ImportError as error:
        raise ImportError("this needs Pillow: pip install pillow") from error
    return read(io.BytesIO(data))


def _png(image: Picture) -> bytes:
    file = io.BytesIO()
    (image if image.mode in _PNG_MODES else image.convert("RGB")).save(file, "PNG")
    return file.getvalue()
