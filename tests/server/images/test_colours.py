from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from server.images.codec import decode
from tests.support.icc import grey_profile, ink_profile

MOST = 1 << 20


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def smooth(mode):
    y, x = np.mgrid[0:16, 0:16]
    return Image.fromarray(np.dstack([x * 16, y * 16, x * 0 + 90]).astype(np.uint8)).convert(mode)


def by_littlecms(image, profile):
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return np.asarray(ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"))


def wide_profile():
    """Red and blue swapped, in a profile that still says it is sRGB."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")


def difference(first, second):
    return int(np.abs(first.astype(int) - second).max())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_profile_is_not_judged_by_its_name(kind):
    image, profile = smooth("RGB"), wide_profile()
    data = saved(image, kind, icc_profile=profile, quality=100)
    plain = Image.fromarray(decode(saved(image, kind, quality=100), MOST))
    assert difference(decode(data, MOST), by_littlecms(plain, profile)) <= 1
    assert difference(np.asarray(plain), by_littlecms(plain, profile)) > 50


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_pixels_of_an_srgb_profile_stay_exact(mode):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace("sRGB".encode("utf-16-be"), "Mine".encode("utf-16-be"))
    assert (decode(saved(smooth(mode), "PNG", icc_profile=profile), MOST) == np.asarray(smooth(mode))).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16"])
@pytest.mark.parametrize("gamma", [1.0, 1.8])
def test_grey_profiles(mode, gamma):
    grey = smooth("L")
    image = Image.fromarray(np.asarray(grey).astype(np.uint16) << 8) if mode == "I;16" else grey.convert(mode)
    pixels = decode(saved(image, "PNG", icc_profile=grey_profile(gamma)), MOST)
    expected = by_littlecms(grey.convert("1").convert("L") if mode == "1" else grey, grey_profile(gamma))
    assert difference(pixels[:, :, :3], expected) <= 1
    assert pixels.shape[2] == (4 if mode == "LA" else 3)


def test_grey_profile_of_a_jpeg():
    data = saved(smooth("L"), "JPEG", quality=100, icc_profile=grey_profile(1.0))
    assert difference(decode(data, MOST), by_littlecms(Image.open(io.BytesIO(data)), grey_profile(1.0))) <= 1


@pytest.mark.parametrize("padding", [0, 600_000])
def test_profiles_of_inks(padding):
    """Profiles of presses are large."""
    profile = ink_profile() + bytes(padding)
    data = saved(smooth("CMYK"), "JPEG", quality=100, icc_profile=profile)
    stored = Image.open(io.BytesIO(data))
    pixels = decode(data, MOST)
    assert difference(pixels, by_littlecms(stored, profile)) <= 1
    assert difference(pixels, np.asarray(stored.convert("RGB"))) > 30


@pytest.mark.parametrize(("mode", "profile"), [("RGB", grey_profile(1.0)), ("RGB", ink_profile())])
def test_a_profile_for_other_colours_is_ignored(mode, profile):
    assert (decode(saved(smooth(mode), "PNG", icc_profile=profile), MOST) == np.asarray(smooth("RGB"))).all()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(depth, colour, row, *extra):
    """A PNG of two pixels."""
    chunks = (chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, depth, colour, 0, 0, 0)), *extra)
    return b"\x89PNG\r\n\x1a\n" + b"".join((*chunks, chunk(b"IDAT", zlib.compress(b"\0" + row)), chunk(b"IEND", b"")))


PALETTE = chunk(b"PLTE", bytes(range(9)))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (png(1, 0, b"\x40", chunk(b"tRNS", b"\0\1")), [[0, 0, 0, 255], [255, 255, 255, 0]]),
        (png(2, 0, b"\x60", chunk(b"tRNS", b"\0\1")), [[85, 85, 85, 0], [170, 170, 170, 255]]),
        (png(4, 0, b"\x1f", chunk(b"tRNS", b"\0\1")), [[17, 17, 17, 0], [255, 255, 255, 255]]),
        (png(8, 0, b"\x12\x80", chunk(b"tRNS", b"\0\x12")), [[18, 18, 18, 0], [128, 128, 128, 255]]),
        (png(16, 0, b"\x12\x34\x12\x35", chunk(b"tRNS", b"\x12\x34")), [[18, 18, 18, 0], [18, 18, 18, 255]]),
        (png(16, 4, b"\x12\x34\x80\0\xff\0\0\0"), [[18, 18, 18, 128], [255, 255, 255, 0]]),
        (png(8, 2, b"\1\2\3\4\5\6", chunk(b"tRNS", b"\0\4\0\5\0\6")), [[1, 2, 3, 255], [4, 5, 6, 0]]),
        (
            png(16, 2, b"\1\0\2\0\3\0\4\1\5\1\6\1", chunk(b"tRNS", b"\4\1\5\1\6\1")),
            [[1, 2, 3, 255], [4, 5, 6, 0]],
        ),
        (png(2, 3, b"\x10", PALETTE, chunk(b"tRNS", b"\x10\x80")), [[0, 1, 2, 16], [3, 4, 5, 128]]),
        (png(8, 3, b"\1\2", PALETTE, chunk(b"tRNS", b"\xff\0")), [[3, 4, 5, 0], [6, 7, 8, 255]]),
    ],
    ids=["1", "2", "4", "8", "16", "16 with alpha", "RGB", "16-bit RGB", "palette of 4", "palette of 256"],
)
def test_transparency_of_every_depth(data, expected):
    assert decode(data, MOST).tolist() == [expected]


@pytest.mark.parametrize("orientation", [1, 6])
def test_transparency_stays_when_colours_are_converted(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image, profile = smooth("P"), wide_profile()
    data = saved(image, "PNG", transparency=bytes(range(256)), icc_profile=profile, exif=exif)
    alpha = np.asarray(image).astype(np.uint8)
    turned = alpha if orientation == 1 else np.rot90(alpha, -1)
    assert (decode(data, MOST)[:, :, 3] == turned).all()
