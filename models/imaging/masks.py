"""What recipes do to masks: boolean planes [height, width], true where a picture is to be painted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from models.imaging.pixels import coverage

Mask = np.ndarray
OPAQUE = 255


class EmptyMaskError(ValueError):
    """Nothing in the mask is marked."""

    code = "bad_input"


class Box(NamedTuple):
    """Pixels from `left` and `top` up to, but without, `right` and `bottom`."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def pixels(self) -> tuple[slice, slice]:
        """What cuts the box out of an array [height, width, …]."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def size(self) -> tuple[int, int]:
        return self.right - self.left, self.bottom - self.top


def marked(pixels: np.ndarray) -> np.ndarray:
    """How strongly each pixel of a mask picture [height, width, 3 or 4] is marked, uint8 [height, width].

    If any of it is transparent, all that is not wholly so is marked, whatever its colour; else what is bright.
    """
    if pixels.shape[2] == 4 and bool((pixels[:, :, 3] < OPAQUE).any()):
        return np.where(pixels[:, :, 3] > 0, np.uint8(OPAQUE), np.uint8(0))
    return np.asarray(Image.fromarray(pixels[:, :, :3]).convert("L"))


def binary(levels: np.ndarray, threshold: int, blur: float = 0) -> Mask:
    """Where uint8 `levels` [height, width], blurred by a Gaussian of `blur` pixels, are above the threshold.

    Raises EmptyMaskError.
    """
    if blur:
        levels = np.asarray(Image.fromarray(levels).filter(ImageFilter.GaussianBlur(blur)))
    mask: Mask = levels > threshold
    if not mask.any():
        raise EmptyMaskError(
            "the mask is empty: none of its pixels is marked for painting; mark them in white or, in a mask with "
            "transparency, by not being transparent, or lower the threshold"
        )
    return mask


def fitted(mask: Mask, width: int, height: int) -> Mask:
    """The mask at another size: where it is enlarged, each pixel that of the nearest one; where it is reduced, true if
    any that lies in it is, so that nothing thin is lost."""
    if mask.shape == (height, width):
        return mask
    between = max(width, mask.shape[1]), max(height, mask.shape[0])
    image = Image.fromarray(mask.astype(np.uint8) * OPAQUE)
    large = np.asarray(image.resize(between, Image.Resampling.NEAREST)) > 0
    return large if large.shape == (height, width) else coverage(large, width, height) > 0


def bounds(mask: Mask, padding: int) -> Box:
    """The box around all that is marked and `padding` pixels more, as far as the picture goes."""
    left, right = _padded(np.flatnonzero(mask.any(axis=0)), padding, mask.shape[1])
    top, bottom = _padded(np.flatnonzero(mask.any(axis=1)), padding, mask.shape[0])
    return Box(left, top, right, bottom)


def grown(box: Box, aspect: float, width: int, height: int) -> Box:
    """The box grown on one side to `aspect`, its width by its height, as far as a picture `width` × `height` allows."""
    across, down = box.size
    left, right = _span(box.left, box.right, round(down * aspect), width)
    top, bottom = _span(box.top, box.bottom, round(across / aspect), height)
    return Box(left, top, right, bottom)


def _padded(places: np.ndarray, padding: int, limit: int) -> tuple[int, int]:
    return max(int(places[0]) - padding, 0), min(int(places[-1]) + 1 + padding, limit)


def _span(start: int, end: int, length: int, limit: int) -> tuple[int, int]:
    """At least `length`, or all of `limit`, around the middle of start … end, moved to lie within 0 … limit."""
    length = min(max(length, end - start), limit)
    start = min(max((start + end - length) // 2, 0), limit - length)
    return start, start + length


def pasted(painted: np.ndarray, original: np.ndarray, mask: Mask, fade: int) -> np.ndarray:
    """RGB pixels laid over an original of the same size: on the mask, and ever fainter over `fade` pixels around it.

    Farther out the original stays bit for bit. If it has alpha it keeps it, and is opaque where it is painted over.
    """
    if original.shape[2] == 4:
        painted = np.dstack([painted, np.full(painted.shape[:2], OPAQUE, np.uint8)])
    where = bounds(mask, fade).pixels
    opacity = _feathered(mask[where], fade)[:, :, None]
    result = original.copy()
    result[where] = np.rint(painted[where] * opacity + original[where] * (1 - opacity)).astype(np.uint8)
    return result


def _feathered(mask: Mask, fade: int) -> np.ndarray:
    """Opacity [height, width], float32: 1 on the mask, falling to 0 over a band of `fade` pixels around it."""
    if not fade:
        return mask.astype(np.float32)
    from scipy.ndimage import distance_transform_edt

    opacity: np.ndarray = np.clip(1 - distance_transform_edt(~mask) / (fade + 1), 0, 1).astype(np.float32)
    return opacity


def filled(pixels: np.ndarray, hole: Mask) -> np.ndarray:
    """The pixels with each one of the hole taken from the nearest outside of it, if there is any outside."""
    if hole.all():
        return pixels
    from scipy.ndimage import distance_transform_edt

    rows, columns = distance_transform_edt(hole, return_distances=False, return_indices=True)
    nearest: np.ndarray = pixels[rows, columns]
    return nearest
