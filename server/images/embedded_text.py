"""The texts inside an image file: text chunks of a PNG, the user comment of a JPEG or WebP."""

from __future__ import annotations

import contextlib
import io
import zlib
from collections.abc import Iterator

from PIL import Image

from server.images.codec import EXIF_IFD, USER_COMMENT, BadImageError, format_of
from server.images.parts import has_too_many_parts

MAX_TEXT_BYTES = 1 << 20
"""Of one text; a compressed one could unfold to gigabytes."""
MAX_TEXTS = 100
CHARACTER_CODE_BYTES = 8


def read_texts(data: bytes) -> dict[str, str]:
    """The texts by keyword; that of a JPEG or WebP is called `parameters`. Raises BadImageError."""
    kind = format_of(data)
    if has_too_many_parts(data, kind):
        raise BadImageError(f"the {kind} has too many parts; save it again with an image editor")
    if kind != "PNG":
        comment = _user_comment(data, kind)
        return {"parameters": comment} if comment else {}
    texts: dict[str, str] = {}
    for keyword, text in _png_texts(data):
        texts.setdefault(keyword, text)
        if len(texts) == MAX_TEXTS:
            break
    return texts


def _png_texts(data: bytes) -> Iterator[tuple[str, str]]:
    """Keyword and text of each chunk tEXt, zTXt and iTXt (PNG §11.3.3)."""
    at = 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        at += 12 + size
        keyword, zero, rest = body.partition(b"\0")
        name = keyword.decode("latin-1")
        if not zero:
            continue
        if kind == b"tEXt":
            yield name, rest[:MAX_TEXT_BYTES].decode("latin-1")
        elif kind == b"zTXt":
            yield name, _inflated(rest[1:]).decode("latin-1")
        elif kind == b"iTXt" and len(rest) > 2:
            _, _, text = rest[2:].split(b"\0", 2) if rest.count(b"\0", 2) >= 2 else (b"", b"", b"")
            yield name, (_inflated(text) if rest[0] else text[:MAX_TEXT_BYTES]).decode("utf-8", "replace")


def _inflated(data: bytes) -> bytes:
    """Empty if it is no compressed text."""
    with contextlib.suppress(zlib.error):
        return zlib.decompressobj().decompress(data, MAX_TEXT_BYTES)
    return b""


def _user_comment(data: bytes, kind: str) -> str:
    """Empty if there is none that can be read."""
    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as image:
            comment = image.getexif().get_ifd(EXIF_IFD).get(USER_COMMENT, b"")
    except Exception:  # on hostile files Pillow's parsers raise all kinds of exceptions
        return ""
    if not isinstance(comment, bytes):
        return str(comment)
    code, text = comment[:CHARACTER_CODE_BYTES], comment[CHARACTER_CODE_BYTES:]
    if code.startswith(b"UNICODE"):
        return text.decode("utf-16-be", "replace")
    return text.decode("utf-8", "replace")
