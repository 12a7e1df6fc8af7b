"""Operations on uint8 pixels [height, width, channels]: sizes, resizing, alpha."""

from __future__ import annotations

import numpy as np
from PIL import Image

Pixels = np.ndarray
SHORTEST = 64
"""The shortest side, in pixels, of an image that is generated."""


def snap_size(width: int, height: int, longest: int) -> tuple[int, int]:
    """The size nearest to `width` × `height` that can be generated: no side above `longest`, both multiples of 8."""
    scale = min(1.0, longest / max(width, height))
    limit = longest // 8 * 8
    return tuple(min(max(round(side * scale / 8) * 8, SHORTEST), max(limit, SHORTEST)) for side in (width, height))  # type: ignore[return-value]


def fit_within(width: int, height: int, longest: int) -> tuple[int, int]:
    """The size, or one of the same aspect ratio with no side above `longest`."""
    scale = min(1.0, longest / max(width, height))
    return max(round(width * scale), 1), max(round(height * scale), 1)


def resize(pixels: Pixels, width: int, height: int) -> Pixels:
    """Resizes by Lanczos; returns the same array if it has this size already."""
    if pixels.shape[:2] == (height, width):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS))


def resize_area(pixels: Pixels, width: int, height: int) -> Pixels:
    """Enlarges by Lanczos; reduces to the mean of the area that each new pixel covers, which shows no ringing.

    In the mean, colours count by their alpha, as in `resize`.
    """
    if width > pixels.shape[1] or height > pixels.shape[0] or pixels.shape[:2] == (height, width):
        return resize(pixels, width, height)
    if pixels.shape[2:] != (4,):
        return _rounded(_area_means(pixels, width, height))
    alpha = pixels[:, :, 3:]
    alpha_means = _area_means(alpha, width, height)
    colours = _area_means(pixels[:, :, :3] * alpha.astype(np.uint16), width, height)
    colours /= np.maximum(alpha_means, np.finfo(np.float32).tiny)
    return _rounded(np.dstack([colours, alpha_means]))


def shrink(pixels: Pixels, longest: int) -> Pixels:
    """Reduces an image with a side above `longest`; returns any other as it is."""
    return resize_area(pixels, *fit_within(pixels.shape[1], pixels.shape[0], longest))


def area_coverage(mask: np.ndarray, width: int, height: int) -> np.ndarray:
    """The share of True in the area of each pixel of a smaller size: float32 [height, width] in 0..1."""
    return _area_means(mask.astype(np.float32), width, height)


def _rounded(levels: np.ndarray) -> Pixels:
    rounded: Pixels = np.rint(levels).clip(0, 255).astype(np.uint8)
    return rounded


def _area_means(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    return _reduce_axis(_reduce_axis(pixels, height, 0), width, 1)


def _reduce_axis(pixels: np.ndarray, length: int, axis: int) -> np.ndarray:
    """`length` means along an axis; pixels at the edge of an area count by the fraction that lies in it."""
    old_length = pixels.shape[axis]
    if length == old_length:
        return pixels
    edges = np.arange(length + 1) * old_length / length
    starts, ends = edges[:-1], edges[1:]
    first = np.floor(starts).astype(np.intp)
    shape = [-1 if each == axis else 1 for each in range(pixels.ndim)]
    total = np.zeros([length if each == axis else size for each, size in enumerate(pixels.shape)], np.float32)
    for tap in range(int(np.ceil(old_length / length)) + 1):
        index = first + tap
        weight = np.clip(np.minimum(ends, index + 1) - np.maximum(starts, index), 0, None) * length / old_length
        total += weight.astype(np.float32).reshape(shape) * pixels.take(np.minimum(index, old_length - 1), axis)
    return total


def flatten_alpha(pixels: Pixels) -> tuple[Pixels, Pixels | None]:
    """RGB blended over white, and the alpha plane [height, width]; None if there is no alpha."""
    return blend_over(pixels, (255, 255, 255)), pixels[:, :, 3] if pixels.shape[2] == 4 else None


def blend_over(pixels: Pixels, colour: tuple[int, int, int]) -> Pixels:
    """RGB blended over a plain colour; the same array if there is no alpha."""
    if pixels.shape[2] == 3:
        return pixels
    weight = pixels[:, :, 3:].astype(np.uint16)
    blended = (pixels[:, :, :3] * weight + np.array(colour, np.uint16) * (255 - weight) + 127) // 255
    return blended.astype(np.uint8)


def to_rgba(pixels: Pixels) -> Pixels:
    """RGBA; an image without alpha becomes opaque."""
    if pixels.shape[2] == 4:
        return pixels
    return np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])


def add_alpha(pixels: Pixels, alpha: Pixels) -> Pixels:
    """RGBA of RGB pixels and an alpha plane, which is resized to their size."""
    height, width = pixels.shape[:2]
    return np.dstack([pixels, resize(alpha, width, height)])


def limit_aspect(pixels: Pixels, max_ratio: int) -> Pixels:
    """Stretches an image of which one side is more than `max_ratio` times the other; returns any other as it is.

    For nets that resize an image by its shorter side: of a line a few pixels wide they would make a huge one.
    """
    height, width = pixels.shape[:2]
    shortest = -(-max(width, height) // max_ratio)
    return resize(pixels, max(width, shortest), max(height, shortest))


def crop_center(pixels: Pixels, width: int, height: int, centre: tuple[float, float] | None = None) -> Pixels:
    """The largest part that has the aspect ratio of `width` × `height`, around the middle or as near as the picture
    allows to `centre`, x and y in pixels."""
    rows, columns = pixels.shape[:2]
    tall, wide = min(rows, round(columns * height / width)), min(columns, round(rows * width / height))
    top, left = (rows - tall) // 2, (columns - wide) // 2
    if centre is not None:
        left = min(max(round(centre[0] - wide / 2), 0), columns - wide)
        top = min(max(round(centre[1] - tall / 2), 0), rows - tall)
    return pixels[top : top + max(tall, 1), left : left + max(wide, 1)]
