"""Affine warps of uint8 pixels [height, width, 3 or 4], and the resampling filters of Pillow by name."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from PIL import Image

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


class FlatMatrixError(ValueError):
    """The matrix maps the image onto a line or a point."""

    code = "bad_input"


class LargeMatrixError(ValueError):
    """The matrix makes the image larger than is allowed."""

    code = "bad_input"


class Matrix(NamedTuple):
    """An affine map as in CSS: (x, y) goes to (a·x + c·y + e, b·x + d·y + f), in pixels from the top left corner."""

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    @property
    def scale(self) -> tuple[float, float]:
        """The factors by which the map stretches along the x axis, and at right angles to the mapped x axis.

        Raises FlatMatrixError.
        """
        along = math.hypot(self.a, self.b)
        area = abs(self.a * self.d - self.b * self.c)
        if area < 1e-9:
            raise FlatMatrixError(
                f"the matrix a={self.a:g} b={self.b:g} c={self.c:g} d={self.d:g} maps the image onto a line; "
                "choose one whose a·d − b·c is not 0"
            )
        return along, area / along

    def scaled_size(self, width: int, height: int, longest: int) -> tuple[int, int]:
        """Width and height of an image of `width` × `height` once it is stretched, and not yet turned.

        Raises FlatMatrixError, LargeMatrixError if a side becomes longer than `longest`.
        """
        along, across = self.scale
        size = max(round(width * along), 1), max(round(height * across), 1)
        if max(size) > longest or size[0] * size[1] > 8192 * 8192:
            raise LargeMatrixError(
                f"the matrix enlarges an image of {width}×{height} to {size[0]}×{size[1]}; a side may have {longest} "
                "pixels, and the image 8192×8192 in all: use a smaller scale"
            )
        return size


def warp(
    pixels: np.ndarray, matrix: Matrix, width: int, height: int, resampling: str, longest: int = 16384
) -> np.ndarray:
    """Maps `pixels` onto a canvas of `width` × `height`. The rest of the canvas is transparent, or black without alpha.

    The image is resized first, by the filter `resampling`, and then turned and moved: a warp alone would skip pixels
    where it reduces the image. Raises FlatMatrixError, LargeMatrixError if a side becomes longer than `longest`.
    """
    source_height, source_width = pixels.shape[:2]
    size = matrix.scaled_size(source_width, source_height, longest)
    image = Image.fromarray(pixels).resize(size, FILTERS[resampling])
    x, y = source_width / size[0], source_height / size[1]
    forward = np.array(
        [[matrix.a * x, matrix.c * y, matrix.e], [matrix.b * x, matrix.d * y, matrix.f], [0.0, 0.0, 1.0]]
    )
    inverse = np.linalg.inv(forward)[:2].ravel().tolist()
    filter_ = Image.Resampling.NEAREST if resampling == "nearest" else Image.Resampling.BILINEAR
    return np.asarray(image.transform((width, height), Image.Transform.AFFINE, inverse, filter_))
