"""Affine maps of uint8 pixels [height, width, 3 or 4], and the filters that Pillow resizes by."""

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
    """The matrix maps the whole picture onto a line or a point."""

    code = "bad_input"


class LargeMatrixError(ValueError):
    """The matrix enlarges the picture beyond what there is room for."""

    code = "bad_input"


class Matrix(NamedTuple):
    """As in CSS and on a canvas: (x, y) goes to (a·x + c·y + e, b·x + d·y + f), in pixels from the top left corner."""

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    @property
    def scale(self) -> tuple[float, float]:
        """How much longer the map makes what lies along x, and what stands across the image of that.

        Raises FlatMatrixError.
        """
        along = math.hypot(self.a, self.b)
        area = abs(self.a * self.d - self.b * self.c)
        if area < 1e-9:
            raise FlatMatrixError(
                f"the matrix a={self.a:g} b={self.b:g} c={self.c:g} d={self.d:g} maps the picture onto a line; "
                "a·d − b·c must not be 0"
            )
        return along, area / along


def warped(
    pixels: np.ndarray, matrix: Matrix, width: int, height: int, resampling: str, longest: int = 16384
) -> np.ndarray:
    """`pixels` mapped onto a canvas of `width` × `height`, whose rest is transparent, or black without alpha.

    They are resized first, by the filter, and then turned and moved: a map alone would skip pixels where it reduces.
    Raises FlatMatrixError, LargeMatrixError if a side would become longer than `longest`.
    """
    was_height, was_width = pixels.shape[:2]
    along, across = matrix.scale
    size = max(round(was_width * along), 1), max(round(was_height * across), 1)
    if max(size) > longest or size[0] * size[1] > 8192 * 8192:
        raise LargeMatrixError(
            f"the matrix enlarges the picture to {size[0]}×{size[1]}; {longest} is the longest side, and 8192×8192 the "
            "most in all: scale by less"
        )
    image = Image.fromarray(pixels).resize(size, FILTERS[resampling])
    x, y = was_width / size[0], was_height / size[1]
    forth = np.array([[matrix.a * x, matrix.c * y, matrix.e], [matrix.b * x, matrix.d * y, matrix.f], [0.0, 0.0, 1.0]])
    back = np.linalg.inv(forth)[:2].ravel().tolist()
    smooth = Image.Resampling.NEAREST if resampling == "nearest" else Image.Resampling.BILINEAR
    return np.asarray(image.transform((width, height), Image.Transform.AFFINE, back, smooth))
