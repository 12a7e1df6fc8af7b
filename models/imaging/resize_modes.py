"""Brings a picture to a size of another shape: stretched, cropped, or padded."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image

from models.imaging.pixels import Pixels

ResizeMode = Literal["fill", "cover", "pad"]


def resize_to(
    pixels: Pixels,
    width: int,
    height: int,
    mode: ResizeMode,
    resampling: Image.Resampling = Image.Resampling.LANCZOS,
) -> Pixels:
    """The picture, uint8 [h, w] or [h, w, channels], at exactly `width` × `height`.

    mode: `fill` stretches it. `cover` keeps its shape and crops what is too much. `pad` keeps its shape and repeats the
    pixels of its edges around it.
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    picture = Image.fromarray(pixels)
    if mode == "fill":
        return np.asarray(picture.resize((width, height), resampling))
    if mode == "cover":
        return np.asarray(picture.resize((width, height), resampling, _centred_box(picture.size, width, height)))
    scale = min(width / picture.width, height / picture.height)
    inner = max(round(picture.width * scale), 1), max(round(picture.height * scale), 1)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    around = (top, height - inner[1] - top), (left, width - inner[0] - left)
    return np.pad(np.asarray(picture.resize(inner, resampling)), [*around, (0, 0)][: pixels.ndim], mode="edge")


def _centred_box(size: tuple[int, int], width: int, height: int) -> tuple[float, float, float, float]:
    """The largest box of the shape of `width` × `height` in the middle of a picture: left, top, right, bottom."""
    scale = max(width / size[0], height / size[1])
    left, top = max((size[0] - width / scale) / 2, 0.0), max((size[1] - height / scale) / 2, 0.0)
    return left, top, min(left + width / scale, size[0]), min(top + height / scale, size[1])
