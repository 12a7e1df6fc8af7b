"""What safety models look at: squares that cover an image, because their nets take squares."""

from __future__ import annotations

import numpy as np

from models.files.weights_error import WeightsError
from models.imaging.pixels import flatten_alpha, limit_aspect

MAX_RATIO = 8
"""How many times longer than the other a side may be; a thinner image is stretched to this ratio."""


class SafetyError(WeightsError):
    """A model is no safety model, or its net returns no numbers; the message says what to do."""


def square_views(image: np.ndarray) -> list[np.ndarray]:
    """RGB squares that cover the image over white and, if it has alpha, the image without it."""
    if image.ndim == 2:
        image = np.dstack([image] * 3)
    flat, alpha = flatten_alpha(image)
    return [*_squares(flat), *(() if alpha is None else _squares(image[:, :, :3]))]


def _squares(pixels: np.ndarray) -> list[np.ndarray]:
    """The fewest squares of the shorter side that cover the image, at even distances."""
    pixels = limit_aspect(pixels, MAX_RATIO)
    height, width = pixels.shape[:2]
    size, longer, axis = min(height, width), max(height, width), int(width > height)
    starts = np.linspace(0, longer - size, -(-longer // size)).round().astype(int)
    squares = [pixels.take(range(start, start + size), axis) for start in starts]
    return [np.ascontiguousarray(square) for square in squares]
