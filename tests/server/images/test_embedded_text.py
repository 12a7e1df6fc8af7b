"""Texts inside image files, as encoders of others write them, and hostile ones."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from server.images.codec import BadImageError, encode
from server.images.embedded_text import MAX_TEXT_BYTES, read_texts
from server.task import Output

PIXELS = np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp"])
def test_our_own_infotext_is_read_back(file_format: str) -> None:
    text = "一座红房子\nSteps: 4"
    data = encode(PIXELS, Output.model_validate({"format": file_format}), text)
    assert read_texts(data) == {"parameters": text}


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("international", [False, True])
def test_chunks_of_pillow(compressed: bool, international: bool) -> None:
    info, file = PngInfo(), io.BytesIO()
    add = info.add_itxt if international else info.add_text
    add("parameters", "a house", zip=compressed)
    Image.fromarray(PIXELS).save(file, "PNG", pnginfo=info)
    assert read_texts(file.getvalue()) == {"parameters": "a house"}


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("kind", "body", "expected"),
    [
        (b"zTXt", b"parameters\0\0" + zlib.compress(b"a" * (8 << 20), 9), "a" * MAX_TEXT_BYTES),
        (b"zTXt", b"parameters\0\0not compressed", ""),
        (b"iTXt", b"parameters\0\1", None),
        (b"iTXt", b"parameters\0\0\0no further zeros", ""),
        (b"tEXt", b"no zero", None),
    ],
)
def test_hostile_chunks_are_bounded(kind: bytes, body: bytes, expected: str | None) -> None:
    assert read_texts(b"\x89PNG\r\n\x1a\n" + chunk(kind, body)).get("parameters") == expected


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(BadImageError):
        read_texts(b"hello")
