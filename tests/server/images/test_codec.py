from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from server.images.codec import (
    MAX_SIDE_BY_FORMAT,
    BadImageError,
    OversizedImageError,
    decode,
    encode,
    measure,
    preview_jpeg,
)
from server.task import Output

MOST = 1 << 20
ORIENTATION, USER_COMMENT, EXIF_IFD = 0x0112, 0x9286, 0x8769


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def gradient(width=24, height=16, mode="RGB"):
    """A smooth image, which lossy formats hardly change."""
    y, x = np.mgrid[0:height, 0:width]
    rgb = np.dstack([x * 255 // width, y * 255 // height, np.full_like(x, 90)]).astype(np.uint8)
    return Image.fromarray(rgb).convert(mode)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth=8, colour=2, body=None, extra=b""):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = zlib.compress(bytes(100)) if body is None else body
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def animated(kind):
    return saved(gradient(), kind, save_all=True, append_images=[gradient().rotate(180)])


def jpeg_of_scans(count):
    data = saved(gradient(), "JPEG", progressive=True)
    at = data.rindex(b"\xff\xda")
    return data[:at] + data[at:-2] * count + b"\xff\xd9"


def webp_header(width, height):
    body = (
        b"VP8X"
        + struct.pack("<I", 10)
        + b"\0\0\0\0"
        + struct.pack("<I", width - 1)[:3]
        + struct.pack("<I", height - 1)[:3]
    )
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def jpeg_header(width, height):
    frame = struct.pack(">BHHB", 8, height, width, 1) + b"\x01\x11\x00"
    return (
        b"\xff\xd8\xff\xc0"
        + struct.pack(">H", len(frame) + 2)
        + frame
        + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\xff\xd9"
    )


BOMB = zlib.compress(bytes(200_000_000), 9)
GOOD_PNG, GOOD_JPEG, GOOD_WEBP = (saved(gradient(256, 256), kind) for kind in ("PNG", "JPEG", "WEBP"))

BAD = {
    "empty": (b"", "empty"),
    "text": (b"hello", "not a PNG"),
    "html": (b"<html><body>Not found</body></html>", "is HTML"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "or SVG, not a PNG"),
    "gif": (saved(gradient(), "GIF"), "not a PNG"),
    "bmp": (saved(gradient(), "BMP"), "not a PNG"),
    "tiff": (saved(gradient(), "TIFF"), "not a PNG"),
    "ico": (saved(gradient(32, 32), "ICO"), "not a PNG"),
    "ppm": (saved(gradient(), "PPM"), "not a PNG"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a PNG"),
    "pdf": (b"%PDF-1.7\n", "not a PNG"),
    "fits": (b"SIMPLE  =                    T", "not a PNG"),
    "wave": (b"RIFF\x24\0\0\0WAVEfmt ", "not a PNG"),
    "png magic only": (GOOD_PNG[:8], "damaged"),
    "png header only": (GOOD_PNG[:33], "damaged"),
    "png truncated": (GOOD_PNG[: len(GOOD_PNG) // 2], "damaged"),
    "png cut in its last bytes": (GOOD_PNG[:-24], "damaged"),
    "png magic on a jpeg": (GOOD_PNG[:8] + GOOD_JPEG, "damaged"),
    "png of a wrong checksum": (GOOD_PNG[:29] + b"\0\0\0\0" + GOOD_PNG[33:], "damaged"),
    "png of garbage pixels": (png(64, 64, body=b"not deflate"), "damaged"),
    "png of too few pixels": (png(64, 64), "damaged"),
    "png of no width": (png(0, 64), "damaged"),
    "png of an unknown depth": (png(64, 64, depth=3), "damaged"),
    "png of an unknown colour": (png(64, 64, colour=5), "damaged"),
    "png palette without palette": (png(64, 64, colour=3), "damaged"),
    "png bomb": (png(60_000, 60_000), "too many pixels"),
    "png bomb that only warns": (png(10_000, 10_000), "too many pixels"),
    "png too wide": (png(8193, 1), "at most 8192 pixels a side"),
    "png too high": (png(1, 8193), "at most 8192 pixels a side"),
    "png of too many pixels": (png(1025, 1024), "at most 1048576 pixels"),
    "png text bomb": (png(8, 8, extra=chunk(b"zTXt", b"a\0\0" + BOMB)), "damaged"),
    "png profile bomb": (png(8, 8, extra=chunk(b"iCCP", b"a\0\0" + BOMB)), "damaged"),
    "apng": (animated("PNG"), "animated"),
    "jpeg magic only": (b"\xff\xd8\xff", "damaged"),
    "jpeg header only": (GOOD_JPEG[:100], "damaged"),
    "jpeg truncated": (GOOD_JPEG[: len(GOOD_JPEG) // 2], "damaged"),
    "jpeg bomb": (jpeg_header(65_000, 65_000), "too many pixels"),
    "jpeg too wide": (jpeg_header(8193, 8), "at most 8192 pixels a side"),
    "jpeg of nothing": (jpeg_header(64, 64), "damaged"),
    "jpeg of ten thousand scans": (jpeg_of_scans(10_000), "scans"),
    "webp magic only": (b"RIFF\x10\0\0\0WEBP", "damaged"),
    "webp truncated": (GOOD_WEBP[: len(GOOD_WEBP) // 2], "damaged"),
    "webp header only": (webp_header(64, 64), "damaged"),
    "webp bomb": (webp_header(16_384, 16_384), "(too many pixels|damaged)"),
    "animated webp": (animated("WEBP"), "animated"),
}


def test_bad_images_are_many():
    assert len(BAD) >= 30


@pytest.mark.parametrize("name", BAD)
def test_bad_images_are_refused(name):
    data, message = BAD[name]
    with pytest.raises(BadImageError, match=message):
        decode(data, MOST)


@pytest.mark.parametrize("name", [name for name, (_, message) in BAD.items() if message != "damaged"])
def test_measure_refuses_by_the_header_alone(name):
    data, message = BAD[name]
    with pytest.raises(BadImageError, match=message):
        measure(data, MOST)


def test_measure_needs_no_pixels():
    assert measure(GOOD_PNG[:200], MOST) == (256, 256)
    assert measure(saved(gradient(), "WEBP"), MOST) == (24, 16)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_decode_returns_exact_lossless_pixels(kind):
    image = gradient(mode="RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    assert (decode(saved(image, kind, lossless=True, exact=True), MOST) == np.asarray(image)).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_opaque_png_modes(mode):
    image = gradient(mode=mode)
    pixels = decode(saved(image, "PNG"), MOST)
    assert pixels.dtype == np.uint8
    assert (pixels == np.asarray(image.convert("RGB"))).all()


def test_transparent_png_modes():
    grey = gradient(mode="LA")
    assert decode(saved(grey, "PNG"), MOST).shape == (16, 24, 4)
    palette = gradient(mode="P")
    assert decode(saved(palette, "PNG", transparency=0), MOST).shape == (16, 24, 4)
    keyed = decode(saved(Image.new("RGB", (4, 4), (1, 2, 3)), "PNG", transparency=(1, 2, 3)), MOST)
    assert (keyed == [1, 2, 3, 0]).all()


def test_sixteen_bit_grey_becomes_eight_bit():
    grey = np.linspace(0, 65535, 24 * 16).astype(np.uint16).reshape(16, 24)
    pixels = decode(saved(Image.fromarray(grey), "PNG"), MOST)
    assert (pixels == (grey >> 8).astype(np.uint8)[:, :, None]).all()


def test_sixteen_bit_colour_becomes_eight_bit():
    body = zlib.compress(b"\0" + struct.pack(">6H", 0x1234, 0x5678, 0x9ABC, 0xFFFF, 0, 0x8000))
    assert decode(png(2, 1, depth=16, body=body), MOST).tolist() == [[[0x12, 0x56, 0x9A], [255, 0, 0x80]]]


@pytest.mark.parametrize(("mode", "options"), [("L", {}), ("RGB", {"progressive": True}), ("CMYK", {})])
def test_jpeg_modes(mode, options):
    image = gradient(64, 64, mode)
    pixels = decode(saved(image, "JPEG", quality=100, subsampling=0, **options), MOST).astype(int)
    assert np.abs(pixels - np.asarray(image.convert("RGB"))).max() < 8


def test_jpeg_with_a_second_image_is_its_first():
    """Phones append a gain map or a preview."""
    data = saved(gradient(), "MPO", save_all=True, append_images=[gradient(8, 8)])
    assert decode(data, MOST).shape == (16, 24, 3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation, kind):
    turn = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    image, exif = gradient(64, 48), Image.Exif()
    exif[ORIENTATION] = orientation
    upright = image.transpose(turn[orientation]) if orientation in turn else image
    data = saved(image, kind, quality=95, exif=exif)
    pixels = decode(data, MOST).astype(int)
    assert pixels.shape == np.asarray(upright).shape
    assert measure(data, MOST) == upright.size
    assert np.abs(pixels - np.asarray(upright)).mean() < 5


def test_sixteen_bit_images_are_rotated():
    exif, grey = Image.Exif(), np.arange(6, dtype=np.uint16).reshape(2, 3) << 8
    exif[ORIENTATION] = 6
    assert decode(saved(Image.fromarray(grey), "PNG", exif=exif), MOST)[:, :, 0].tolist() == [[3, 0], [4, 1], [5, 2]]


@pytest.mark.filterwarnings("ignore:.*EXIF data:UserWarning")
@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"]
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_broken_exif_is_ignored(exif, kind):
    data = saved(gradient(), kind, exif=exif)
    assert decode(data, MOST).shape == (16, 24, 3)
    assert measure(data, MOST) == (24, 16)


def test_profiles_and_text_chunks_are_accepted():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("parameters", "一只猫", zip=True)
    assert decode(saved(gradient(), "PNG", icc_profile=profile, pnginfo=texts), MOST).shape == (16, 24, 3)


def swapped_profile():
    """The profile of sRGB with red and blue swapped."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace("sRGB".encode("utf-16-be"), "Swap".encode("utf-16-be"))
    return profile.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L"])
def test_colours_are_converted_by_the_profile(kind, mode):
    if (kind, mode) in {("JPEG", "RGBA"), ("JPEG", "P")}:
        return
    image = Image.new("RGB", (8, 8), (230, 30, 20)).convert(mode)
    plain = decode(saved(image, kind, quality=100), MOST).astype(int)
    pixels = decode(saved(image, kind, quality=100, icc_profile=swapped_profile()), MOST).astype(int)
    expected = plain if mode == "L" else np.dstack([plain[:, :, 2::-1], plain[:, :, 3:]])
    assert np.abs(pixels - expected).max() <= 3


@pytest.mark.parametrize("profile", [b"garbage", swapped_profile()[:200], bytes(1 << 17)])
def test_broken_profile_is_ignored(profile):
    data = saved(gradient(), "PNG", icc_profile=profile)
    assert (decode(data, MOST) == np.asarray(gradient())).all()


# --- encoding

SMOOTH = np.asarray(gradient(96, 64))


def opened(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def user_comment(image):
    comment = image.getexif().get_ifd(EXIF_IFD)[USER_COMMENT]
    assert comment[:8] == b"UNICODE\0"
    return comment[8:].decode("utf-16-be")


@pytest.mark.parametrize("pixels", [SMOOTH, np.dstack([SMOOTH, SMOOTH[:, :, 0]])])
@pytest.mark.parametrize("text", ["a cat\nSteps: 20", "一只猫\nSteps: 20", None])
def test_encode_png_is_lossless_with_infotext(pixels, text):
    image = opened(encode(pixels, Output(), text))
    assert (np.asarray(image) == pixels).all()
    assert image.text == ({} if text is None else {"parameters": text})


@pytest.mark.parametrize(("output", "off"), [(Output(format="jpeg"), 4), (Output(format="webp"), 8)])
def test_encode_lossy_with_infotext(output, off):
    image = opened(encode(SMOOTH, output, "一只猫"))
    assert image.format.lower() == output.format
    assert np.abs(np.asarray(image).astype(int) - SMOOTH).max() <= off
    assert user_comment(image) == "一只猫"
    assert not opened(encode(SMOOTH, output, None)).getexif()


def test_webp_at_100_is_lossless_with_transparency():
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 4), dtype=np.uint8)
    assert (np.asarray(opened(encode(pixels, Output(format="webp", quality=100), "x"))) == pixels).all()


def test_encode_uses_the_quality():
    sizes = [len(encode(SMOOTH, Output(format="jpeg", quality=quality), None)) for quality in (20, 95)]
    assert sizes[0] < sizes[1]


def test_jpeg_makes_transparency_white():
    pixels = np.zeros((8, 8, 4), np.uint8)
    assert np.asarray(opened(encode(pixels, Output(format="jpeg"), None))).min() == 255


@pytest.mark.parametrize(("text", "letters"), [("猫" * 100_000, "猫"), ("a" + "😀" * 20_000, "a😀")])
def test_long_infotext_is_cut_in_a_jpeg(text, letters):
    image = opened(encode(SMOOTH, Output(format="jpeg"), text))
    assert set(user_comment(image)) == set(letters)


@pytest.mark.parametrize(
    ("shape", "size"), [((64, 64, 3), (128, 128)), ((48, 96, 3), (128, 64)), ((900, 9, 4), (1, 128))]
)
def test_preview_jpeg_has_the_longest_side(shape, size):
    image = opened(preview_jpeg(np.zeros(shape, np.uint8)))
    assert (image.format, image.size) == ("JPEG", size)


@pytest.mark.parametrize("format_", ["webp", "jpeg", "png"])
def test_encode_refuses_sides_beyond_the_format(format_):
    most = MAX_SIDE_BY_FORMAT.get(format_, 65_501)
    for side in (most, most + 1):
        pixels = np.zeros((1, side, 3), np.uint8)
        if side == most or format_ == "png":
            assert Image.open(io.BytesIO(encode(pixels, Output(format=format_), None))).size == (side, 1)
        else:
            with pytest.raises(OversizedImageError, match=f"has {most} pixels at most; use the output format png"):
                encode(pixels, Output(format=format_), None)
