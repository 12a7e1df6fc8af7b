"""Decodes untrusted image files, and encodes pixels as PNG, JPEG or WebP."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import TYPE_CHECKING

from PIL import ExifTags, Image, ImageOps

from server.images.colours import to_srgb
from server.images.parts import MAX_PARTS, has_too_many_parts
from server.task import Output

if TYPE_CHECKING:
    import numpy as np  # at run time in functions only: the API only measures images

MAX_SIDE = 8192
MAX_SCANS = 100
"""A progressive JPEG has about ten scans; thousands of them would take very long to decode."""

USER_COMMENT, EXIF_IFD = 0x9286, 0x8769
MAX_COMMENT_BYTES = 64_000
"""A JPEG stores EXIF in one segment of 64 KiB."""

FULL_COLOUR_QUALITY = 90
"""From this JPEG quality on, colour has full resolution (4:4:4 instead of 4:2:0)."""

SNIFF_BYTES = 64
"""How many bytes of a file in another format are searched for `<`, the sign of HTML and SVG."""

MAX_SIDE_BY_FORMAT = {"jpeg": 65_500, "webp": 16_383}
"""The longest side that libjpeg and libwebp can write, in pixels. The limit of PNG is never reached."""

warnings.simplefilter("error", Image.DecompressionBombWarning)


class BadImageError(Exception):
    """The bytes are not an accepted image; the message says why, and what to send instead."""


class OversizedImageError(Exception):
    """A result is too large for the requested file format."""


def measure(data: bytes, max_pixels: int) -> tuple[int, int]:
    """Width and height as `decode` returns them, from the header alone. Raises BadImageError."""
    try:
        with Image.open(io.BytesIO(data), formats=[_checked_format(data)]) as image:
            _check_header(image, data, max_pixels)
            width, height = image.size
            return (height, width) if _is_rotated(image) else (width, height)
    except BadImageError:
        raise
    except Exception as error:
        raise _broken(error) from error


def has_alpha(data: bytes) -> bool:
    """Whether an image that `measure` accepts can have transparent pixels, from the header alone."""
    with Image.open(io.BytesIO(data), formats=[format_of(data)]) as image:
        return image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info


def decode(data: bytes, max_pixels: int) -> np.ndarray:
    """sRGB pixels, rotated as EXIF says: uint8 [height, width, 3], or 4 with transparency. Raises BadImageError."""
    import numpy as np

    try:
        with Image.open(io.BytesIO(data), formats=[_checked_format(data)]) as image:
            _check_header(image, data, max_pixels)
            image.load()
            return np.array(to_srgb(_upright(image), _bit_depth(data)))
    except BadImageError:
        raise
    except Exception as error:  # on hostile files Pillow's parsers raise all kinds of exceptions
        raise _broken(error) from error


def encode(pixels: np.ndarray, output: Output, infotext: str | None) -> bytes:
    """The file of uint8 pixels [height, width, 3 or 4]. In JPEG, transparent pixels become white.

    Raises OversizedImageError.
    """
    height, width = pixels.shape[:2]
    if max(width, height) > MAX_SIDE_BY_FORMAT.get(output.format, width + height):
        limit = MAX_SIDE_BY_FORMAT[output.format]
        raise OversizedImageError(
            f"the result is {width}×{height}, but a side of a {output.format} has {limit} pixels at most; "
            "use the output format png, or ask for a smaller result"
        )
    if output.format == "png":
        from server.images.png import write_png

        return write_png(pixels, {} if infotext is None else {"parameters": infotext})
    return _compressed(Image.fromarray(pixels), output, infotext)


def convert(data: bytes, output: Output) -> bytes:
    """A file that this server has written, in another format or quality. JPEG and WebP keep the infotext of a PNG."""
    with Image.open(io.BytesIO(data), formats=[format_of(data)]) as image:
        if output.format != "png":
            return _compressed(image, output, image.info.get("parameters"))
        file = io.BytesIO()
        image.save(file, "PNG")
        return file.getvalue()


def preview_jpeg(pixels: np.ndarray, longest: int = 128) -> bytes:
    """A small JPEG whose longer side is `longest` pixels."""
    image, file = Image.fromarray(pixels), io.BytesIO()
    scale = longest / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    _over_white(image).resize(size, Image.Resampling.BILINEAR).save(file, "JPEG", quality=75)
    return file.getvalue()


def _compressed(image: Image.Image, output: Output, infotext: str | None) -> bytes:
    """The file of a JPEG or a WebP."""
    exif = b"" if infotext is None else _exif(infotext)
    file = io.BytesIO()
    if output.format == "webp":
        lossless = output.quality == 100
        image.save(file, "WEBP", quality=output.quality, lossless=lossless, exact=lossless, method=2, exif=exif)
    else:
        subsampling = "4:4:4" if output.quality >= FULL_COLOUR_QUALITY else "4:2:0"
        _over_white(image).save(file, "JPEG", quality=output.quality, subsampling=subsampling, exif=exif)
    return file.getvalue()


def _checked_format(data: bytes) -> str:
    """The format, once the parts of the file are counted: opening reads them all. Raises BadImageError."""
    file_format = format_of(data)
    if has_too_many_parts(data, file_format):
        raise BadImageError(f"the {file_format} has more than {MAX_PARTS} parts; save it again with an image editor")
    return file_format


def format_of(data: bytes) -> str:
    """PNG, JPEG or WEBP, by the first bytes of a file. Raises BadImageError."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if not data:
        raise BadImageError("the data is empty; send an image")
    if data[:SNIFF_BYTES].lstrip().startswith(b"<"):
        raise BadImageError("this is HTML or SVG, not a PNG, JPEG or WebP; use the address of the image itself")
    raise BadImageError("not a PNG, JPEG or WebP; convert it to one")


def _check_header(image: Image.Image, data: bytes, max_pixels: int) -> None:
    width, height = image.size
    if max(width, height) > MAX_SIDE:
        raise BadImageError(f"the image is {width}×{height}; send one of at most {MAX_SIDE} pixels a side")
    if width * height > max_pixels:
        raise BadImageError(f"the image is {width}×{height}; send one of at most {max_pixels} pixels")
    if image.format in ("PNG", "WEBP") and getattr(image, "n_frames", 1) > 1:
        raise BadImageError("the image is animated; send a single frame")
    if image.format in ("JPEG", "MPO") and data.count(b"\xff\xda") > MAX_SCANS:
        raise BadImageError(f"the JPEG has more than {MAX_SCANS} scans; save it again as a baseline JPEG")


def _is_rotated(image: Image.Image) -> bool:
    """Whether EXIF swaps width and height. `getexif` of the base class is called, because that of PNGs reads pixels."""
    with contextlib.suppress(Exception):  # broken EXIF, as in _upright
        return Image.Image.getexif(image).get(ExifTags.Base.Orientation) in (5, 6, 7, 8)
    return False


def _upright(image: Image.Image) -> Image.Image:
    """Rotated as EXIF says; unchanged if the EXIF is broken, because the pixels may still be good."""
    with contextlib.suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)  # a copy of a photo would take 96 MB
    return image


def _bit_depth(data: bytes) -> int:
    """Bits of a channel, from the header of a PNG (§11.2.1); other formats have 8."""
    return data[24] if data.startswith(b"\x89PNG") else 8


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def _exif(comment: str) -> bytes:
    """EXIF with a UserComment in UTF-16, big-endian as A1111 writes it (CIPA DC-008 §4.6.5, "UNICODE")."""
    exif, text = Image.Exif(), comment.encode("utf-16-be", "replace")[:MAX_COMMENT_BYTES]
    whole = text.decode("utf-16-be", "ignore")  # drops half of a surrogate pair at the cut
    exif.get_ifd(EXIF_IFD)[USER_COMMENT] = b"UNICODE\0" + whole.encode("utf-16-be")
    return exif.tobytes()


def _broken(error: Exception) -> BadImageError:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return BadImageError("the image has too many pixels; send a smaller one")
    if isinstance(error, MemoryError):
        return BadImageError("decoding this image takes too much memory; save it again with an image editor")
    return BadImageError("the image is damaged or incomplete; save it again and send the complete file")
