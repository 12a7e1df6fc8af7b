"""Image files in and out: hostile bytes to pixels, and pixels to PNG, JPEG or WebP."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import TYPE_CHECKING

from PIL import ExifTags, Image, ImageOps

from server.task import Output

if TYPE_CHECKING:
    import numpy as np  # in functions only: the API measures images and needs no pixels

LONGEST_SIDE = 8192
MOST_SCANS = 100
"""A progressive JPEG holds about ten; thousands of them are a bomb of processor time, not of pixels."""

USER_COMMENT, EXIF_IFD = 0x9286, 0x8769
LONGEST_COMMENT = 64_000
"""In bytes: a JPEG keeps its EXIF in one segment of 64 KiB."""

FULL_COLOUR_QUALITY = 90
"""From this JPEG quality on, colour is kept at every pixel rather than at every second one."""

PEEK = 64
"""How far into a file that is no picture its first sign is looked for."""

LONGEST_PROFILE = 64 << 10
"""In bytes. Profiles of cameras and screens have some hundreds; larger ones are tables for printers."""

LONGEST_WRITTEN = {"jpeg": 65_500, "webp": 16_383}
"""The longest side that libjpeg and libwebp write, in pixels; that of a PNG is beyond anything here."""

warnings.simplefilter("error", Image.DecompressionBombWarning)


class BadImageError(Exception):
    """These bytes are no image that we take; the message says why and what to send instead."""


class TooLongToWriteError(Exception):
    """A picture that was made has a longer side than files of the wanted format have."""


def measure(data: bytes, max_pixels: int) -> tuple[int, int]:
    """Width and height as `decode` answers them, no pixel decoded; raises BadImageError for what the header alone gives
    away."""
    try:
        with Image.open(io.BytesIO(data), formats=[_format_of(data)]) as image:
            _check_header(image, data, max_pixels)
            width, height = image.size
            return (height, width) if _lies_on_its_side(image) else (width, height)
    except BadImageError:
        raise
    except Exception as error:
        raise _broken(error) from error


def decode(data: bytes, max_pixels: int) -> np.ndarray:
    """uint8 pixels [height, width, 3], or 4 where there is transparency, upright as EXIF says; raises BadImageError."""
    import numpy as np

    try:
        with Image.open(io.BytesIO(data), formats=[_format_of(data)]) as image:
            _check_header(image, data, max_pixels)
            image.load()
            return np.array(_eight_bit(_upright(image)))
    except BadImageError:
        raise
    except Exception as error:  # a hostile file makes Pillow's parsers stumble in any way there is
        raise _broken(error) from error


def encode(pixels: np.ndarray, output: Output, infotext: str | None) -> bytes:
    """A file of uint8 pixels [height, width, 3 or 4]. JPEG has no transparency: there it becomes white.

    Raises TooLongToWriteError.
    """
    height, width = pixels.shape[:2]
    if max(width, height) > LONGEST_WRITTEN.get(output.format, width + height):
        most = LONGEST_WRITTEN[output.format]
        raise TooLongToWriteError(
            f"the result is {width}×{height}, and a {output.format} has sides of {most} pixels at most; "
            "ask for output format png, or for a smaller result"
        )
    if output.format == "png":
        from server.images.png import write_png

        return write_png(pixels, {} if infotext is None else {"parameters": infotext})
    exif = b"" if infotext is None else _exif(infotext)
    image, file = Image.fromarray(pixels), io.BytesIO()
    if output.format == "webp":
        lossless = output.quality == 100
        image.save(file, "WEBP", quality=output.quality, lossless=lossless, exact=lossless, method=2, exif=exif)
    else:
        subsampling = "4:4:4" if output.quality >= FULL_COLOUR_QUALITY else "4:2:0"
        _over_white(image).save(file, "JPEG", quality=output.quality, subsampling=subsampling, exif=exif)
    return file.getvalue()


def preview_jpeg(pixels: np.ndarray, side: int = 128) -> bytes:
    """A small JPEG whose longer side is `side` pixels."""
    image, file = Image.fromarray(pixels), io.BytesIO()
    scale = side / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    _over_white(image).resize(size, Image.Resampling.BILINEAR).save(file, "JPEG", quality=75)
    return file.getvalue()


def _format_of(data: bytes) -> str:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if not data:
        raise BadImageError("the data is empty; send an image")
    if data[:PEEK].lstrip().startswith(b"<"):
        raise BadImageError("this is a page, or an SVG, not a PNG, JPEG or WebP; give the picture's own address")
    raise BadImageError("not a PNG, JPEG or WebP; convert it to one")


def _check_header(image: Image.Image, data: bytes, max_pixels: int) -> None:
    width, height = image.size
    if max(width, height) > LONGEST_SIDE:
        raise BadImageError(f"the image is {width}×{height}; {LONGEST_SIDE} is the longest side, send a smaller one")
    if width * height > max_pixels:
        raise BadImageError(f"the image is {width}×{height}; {max_pixels} pixels are the most, send a smaller one")
    if image.format in ("PNG", "WEBP") and getattr(image, "n_frames", 1) > 1:
        raise BadImageError("the image is animated; send one frame of it")
    if image.format in ("JPEG", "MPO") and data.count(b"\xff\xda") > MOST_SCANS:
        raise BadImageError(f"the JPEG has more than {MOST_SCANS} scans; save it again as an ordinary one")


def _lies_on_its_side(image: Image.Image) -> bool:
    """Whether EXIF has width and height change places. Asked of the base class: that of PNGs would read the pixels."""
    with contextlib.suppress(Exception):  # as below
        return Image.Image.getexif(image).get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    return False


def _upright(image: Image.Image) -> Image.Image:
    """Turned as EXIF says; as it is if that is broken, which says nothing of the pixels."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image


def _eight_bit(image: Image.Image) -> Image.Image:
    """RGB in the colours of sRGB, or RGBA where there is transparency."""
    if image.mode.startswith("I"):  # 16 bits of grey
        import numpy as np

        grey = np.asarray(image).astype(np.uint32)
        image = Image.fromarray((grey >> 8).astype(np.uint8))
    return _in_srgb(image.convert("RGBA" if image.has_transparency_data else "RGB"))


def _in_srgb(image: Image.Image) -> Image.Image:
    """Colours as files without a profile mean them, and nets have learnt them: phones write those of wider screens."""
    profile = image.info.get("icc_profile") or b""
    if not 0 < len(profile) <= LONGEST_PROFILE:
        return image
    from PIL import ImageCms  # the API measures images and needs no colours

    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(given):
            return image
        meant = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, given, meant, outputMode=image.mode) or image
    except Exception:  # a broken profile, or one for grey or for print, says nothing of these colours
        return image


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _exif(comment: str) -> bytes:
    """EXIF with a UserComment in UTF-16, big-endian as A1111 writes it (CIPA DC-008 §4.6.5, "UNICODE")."""
    exif, text = Image.Exif(), comment.encode("utf-16-be", "replace")[:LONGEST_COMMENT]
    whole = text.decode("utf-16-be", "ignore")  # without half of a character that takes four bytes
    exif.get_ifd(EXIF_IFD)[USER_COMMENT] = b"UNICODE\0" + whole.encode("utf-16-be")
    return exif.tobytes()


def _broken(error: Exception) -> BadImageError:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return BadImageError("the image has far too many pixels; send a smaller one")
    return BadImageError("the image is broken or incomplete; save it again and send it whole")
