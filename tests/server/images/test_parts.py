from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from server.images.codec import BadImageError, decode, measure
from server.images.parts import MAX_PARTS

MOST = 1 << 20


def saved(kind, **options):
    file = io.BytesIO()
    Image.new("RGB", (24, 16)).save(file, kind, **options)
    return file.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(kind, count, data=b""):
    plain = saved("PNG")
    return plain[:33] + chunk(kind, data) * count + plain[33:]


def png_after_pixels(count):
    plain = saved("PNG")
    return plain[:-12] + chunk(b"tEXt", b"a\0") * count + plain[-12:]


def webp(count):
    data = saved("WEBP") + b"abcd\0\0\0\0" * count
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


def jpeg(inserted):
    """Inserts bytes after the first segment, which is that of JFIF and has 18 bytes."""
    plain = saved("JPEG")
    return plain[:20] + inserted + plain[20:]


MANY = {
    "texts": lambda count: png(b"tEXt", count, b"a\0"),
    "unknown chunks": lambda count: png(b"zzZz", count),
    "pieces of pixels": lambda count: png(b"IDAT", count),
    "frames": lambda count: png(b"fcTL", count, bytes(26)),
    "texts after the pixels": png_after_pixels,
    "webp": webp,
    "application segments": lambda count: jpeg(b"\xff\xe5\0\2" * count),
    "comments": lambda count: jpeg(b"\xff\xfe\0\2" * count),
    "fill bytes": lambda count: jpeg(b"\xff" * count),
    "bytes between segments": lambda count: jpeg(b"\1" * count),
}


@pytest.mark.parametrize("kind", MANY)
@pytest.mark.parametrize("read", [measure, decode])
def test_files_of_very_many_parts_are_refused(kind, read):
    with pytest.raises(BadImageError, match=f"more than {MAX_PARTS} parts; save it again"):
        read(MANY[kind](MAX_PARTS), MOST)


@pytest.mark.parametrize("kind", sorted(MANY.keys() - {"frames"}))
def test_files_of_many_parts_are_read(kind):
    data = MANY[kind](MAX_PARTS // 2)
    assert measure(data, MOST) == (24, 16)
    assert decode(data, MOST).shape == (16, 24, 3)


@pytest.mark.parametrize(("kind", "end"), [("PNG", b"\0"), ("JPEG", b"\xff")])
def test_what_follows_the_image_is_not_counted(kind, end):
    assert decode(saved(kind) + end * 12 * MAX_PARTS, MOST).shape == (16, 24, 3)
