"""Brings decoded images of every mode to 8-bit sRGB, as their colour profile and their transparent colour say."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from PIL import ImageCms  # at run time in functions only: the API only measures images

MAX_PROFILE_BYTES = 4 << 20
"""Profiles of cameras and screens have a few hundred bytes, those of printing presses up to 3 MB."""

PROFILE_SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
"""The colour space that the profile of an image of a mode has (ICC.1, table 19)."""

GRID = 9
"""A profile is compared with sRGB at this many levels of each channel."""

ROUNDING = 1
"""Two ways to compute the same colour differ by this much at most."""


def to_srgb(image: Image.Image, bit_depth: int) -> Image.Image:
    """RGB in sRGB, or RGBA if there is transparency. `bit_depth` is that of a PNG: its transparent colour has it."""
    alpha, opaque = _alpha(image, bit_depth), _without_alpha(image)
    colours = _converted(opaque, image.info.get("icc_profile") or b"")
    if alpha is not None:
        colours.putalpha(alpha)
    return colours


def _alpha(image: Image.Image, bit_depth: int) -> Image.Image | None:
    """Opacity in mode L; None without transparency."""
    key = image.info.get("transparency")
    if isinstance(key, int | tuple) and image.mode != "P":
        return _keyed_alpha(image, key, bit_depth)
    return _in_mode(image, "RGBA").getchannel("A") if image.has_transparency_data else None


def _keyed_alpha(image: Image.Image, key: int | tuple[int, ...], bit_depth: int) -> Image.Image:
    """Transparent where the image has the colour `key`, whose levels are those of the file (PNG, §11.3.1.1).

    Of 16-bit RGB, Pillow keeps the high bytes, so these alone are compared.
    """
    import numpy as np

    levels = np.asarray(image)
    if isinstance(key, tuple):
        key = tuple(level >> 8 for level in key) if bit_depth == 16 else key
        transparent = (levels == key).all(axis=2)
    elif image.mode == "1":
        transparent = levels == bool(key)
    else:
        transparent = levels == (key * 255 // ((1 << bit_depth) - 1) if bit_depth < 8 else key)
    return Image.fromarray(np.where(transparent, np.uint8(0), np.uint8(255)))


def _without_alpha(image: Image.Image) -> Image.Image:
    """The colours alone, 8 bits a channel, in mode L, RGB or CMYK."""
    if image.mode.startswith("I"):  # 16-bit grey
        import numpy as np

        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).astype(np.uint8))
    if image.mode in ("1", "L", "LA"):
        return _in_mode(image, "L")
    if image.mode == "CMYK":
        return image
    return image.convert("RGBA").convert("RGB") if image.mode == "P" else _in_mode(image, "RGB")


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image itself if it has the mode; `convert` would copy it."""
    return image if image.mode == mode else image.convert(mode)


def _converted(image: Image.Image, profile: bytes) -> Image.Image:
    """RGB in sRGB. Without a profile that suits the mode, Pillow's own conversion."""
    plain = _in_mode(image, "RGB")
    if not 0 < len(profile) <= MAX_PROFILE_BYTES:
        return plain
    from PIL import ImageCms  # in the function only: the API only measures images

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = source.profile.xcolor_space.strip()
        if space == "RGB" and image.mode == "L":
            image = plain
        if space != PROFILE_SPACES[image.mode]:
            return plain
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), image.mode, "RGB")
        if image.mode == "RGB" and _changes_nothing(transform):
            return image
        return ImageCms.applyTransform(image, transform) or plain
    except Exception:  # a broken profile, or one of a kind that converts no pixels
        return plain


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether the profile is that of sRGB, so that pixels stay exact. Its name does not tell: profiles are copied."""
    import numpy as np
    from PIL import ImageCms

    levels = np.linspace(0, 255, GRID).astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(GRID, GRID * GRID, 3)
    converted = ImageCms.applyTransform(Image.fromarray(colours), transform)
    return bool(abs(np.asarray(converted).astype(int) - colours).max() <= ROUNDING)
