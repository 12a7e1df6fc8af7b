from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from server.images.png import write_png


def read(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize(
    "shape", [(1, 1, 3), (1, 1, 4), (3, 5, 3), (64, 48, 4), (1, 700, 3), (700, 1, 4), (512, 512, 3)]
)
@pytest.mark.parametrize("kind", ["noise", "ramp", "flat"])
def test_pillow_reads_equal_pixels(shape, kind):
    count = int(np.prod(shape))
    values = {
        "noise": np.random.default_rng(0).integers(0, 256, count),
        "ramp": np.arange(count),
        "flat": np.full(count, 7),
    }
    pixels = values[kind].astype(np.uint8).reshape(shape)
    image = read(write_png(pixels, {}))
    assert image.mode == ("RGB" if shape[2] == 3 else "RGBA")
    assert (np.asarray(image) == pixels).all()


def test_pixels_may_have_any_memory_layout():
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 4), dtype=np.uint8)[::-2, 3:17, :3]
    assert (np.asarray(read(write_png(pixels, {}))) == pixels).all()


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("a cat\nSteps: 20", b"tEXt"),
        ("café", b"tEXt"),
        ("一只猫 🐈\nSteps: 20", b"iTXt"),
        ("", b"tEXt"),
        ("half \ud83d", b"iTXt"),
    ],
)
def test_text_chunks_are_read_by_pillow(text, kind):
    data = write_png(np.zeros((8, 8, 3), np.uint8), {"parameters": text})
    assert kind in data
    assert read(data).text["parameters"] == text.replace("\ud83d", "?")


def test_zero_bytes_are_removed_from_texts():
    assert read(write_png(np.zeros((8, 8, 3), np.uint8), {"parameters": "a\0b"})).text["parameters"] == "ab"


def test_chunks_have_valid_lengths_and_checksums():
    data, at, kinds = write_png(np.zeros((2, 2, 3), np.uint8), {"parameters": "x"}), 8, []
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length) == (zlib.crc32(kind + body),)
        kinds.append(kind)
        at += 12 + length
    assert kinds == [b"IHDR", b"tEXt", b"IDAT", b"IEND"]
