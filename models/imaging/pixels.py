"""What recipes do to uint8 pixels [height, width, channels] before and after the latents."""

from __future__ import annotations

import numpy as np
from PIL import Image

Pixels = np.ndarray
SHORTEST = 64


def snapped(width: int, height: int, longest: int) -> tuple[int, int]:
    """The size nearest to `width` × `height` that can be generated: no side above `longest`, each a multiple of 8."""
    scale = min(1.0, longest / max(width, height))
    limit = longest // 8 * 8
    return tuple(min(max(round(side * scale / 8) * 8, SHORTEST), max(limit, SHORTEST)) for side in (width, height))  # type: ignore[return-value]


def within(width: int, height: int, longest: int) -> tuple[int, int]:
    """The size as it is, or one of the same shape with no side above `longest`."""
    scale = min(1.0, longest / max(width, height))
    return max(round(width * scale), 1), max(round(height * scale), 1)


def resized(pixels: Pixels, width: int, height: int) -> Pixels:
    """Lanczos, and the very same array if the size is right already."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def fitted(pixels: Pixels, width: int, height: int) -> Pixels:
    """Enlarged by Lanczos, or reduced to the mean of the area that each new pixel covers, which shows no ringing."""
    if width > pixels.shape[1] or height > pixels.shape[0]:
        return resized(pixels, width, height)
    means = _reduced(_reduced(pixels, height, 0), width, 1)
    return means if means.dtype == np.uint8 else np.rint(means).astype(np.uint8)


def shrunk(pixels: Pixels, longest: int) -> Pixels:
    """The pixels as they are, or reduced so that no side is above `longest`."""
    return fitted(pixels, *within(pixels.shape[1], pixels.shape[0], longest))


def coverage(mask: np.ndarray, width: int, height: int) -> np.ndarray:
    """Of each pixel of the smaller size, the share that is True in the mask: float32 [height, width]."""
    return _reduced(_reduced(mask.astype(np.float32), height, 0), width, 1)


def _reduced(pixels: np.ndarray, length: int, axis: int) -> np.ndarray:
    """`length` means along an axis; pixels at the edge of an area count by the share that lies in it."""
    whole = pixels.shape[axis]
    if length == whole:
        return pixels
    edges = np.arange(length + 1) * whole / length
    starts, ends = edges[:-1], edges[1:]
    first = np.floor(starts).astype(np.intp)
    shape = [-1 if place == axis else 1 for place in range(pixels.ndim)]
    total = np.zeros([length if place == axis else side for place, side in enumerate(pixels.shape)], np.float32)
    for tap in range(int(np.ceil(whole / length)) + 1):
        place = first + tap
        share = np.clip(np.minimum(ends, place + 1) - np.maximum(starts, place), 0, None) * length / whole
        total += share.astype(np.float32).reshape(shape) * pixels.take(np.minimum(place, whole - 1), axis)
    return total


def flattened(pixels: Pixels) -> tuple[Pixels, Pixels | None]:
    """RGB over white, and the alpha plane [height, width] if there was one."""
    return over(pixels, (255, 255, 255)), pixels[:, :, 3] if pixels.shape[2] == 4 else None


def over(pixels: Pixels, colour: tuple[int, int, int]) -> Pixels:
    """RGB over a plain colour; the very same array if there is no alpha."""
    if pixels.shape[2] == 3:
        return pixels
    weight = pixels[:, :, 3:].astype(np.uint16)
    laid = (pixels[:, :, :3] * weight + np.array(colour, np.uint16) * (255 - weight) + 127) // 255
    return laid.astype(np.uint8)


def opaque(pixels: Pixels) -> Pixels:
    """RGBA: with an alpha of 255 where there was none."""
    if pixels.shape[2] == 4:
        return pixels
    return np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])


def with_alpha(pixels: Pixels, alpha: Pixels) -> Pixels:
    """RGBA of RGB pixels and an alpha plane, which is resized to fit."""
    height, width = pixels.shape[:2]
    return np.dstack([pixels, resized(alpha, width, height)])


def broadened(pixels: Pixels, most: int) -> Pixels:
    """Stretched where one side is more than `most` times the other, which is as far as nets are shown a picture that
    they resize by its shorter side; the very same array if it is not."""
    height, width = pixels.shape[:2]
    least = -(-max(width, height) // most)
    return resized(pixels, max(width, least), max(height, least))


def cropped(pixels: Pixels, width: int, height: int) -> Pixels:
    """The largest part around the middle that has the shape of `width` × `height`."""
    rows, columns = pixels.shape[:2]
    tall, wide = min(rows, round(columns * height / width)), min(columns, round(rows * width / height))
    top, left = (rows - tall) // 2, (columns - wide) // 2
    return pixels[top : top + max(tall, 1), left : left + max(wide, 1)]
