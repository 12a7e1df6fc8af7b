"""Masks: bool [height, width], True where an image is to be repainted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from models.imaging.pixels import area_coverage

Mask = np.ndarray
OPAQUE = 255


class EmptyMaskError(ValueError):
    """The mask has no True pixel."""

    code = "bad_input"


class Box(NamedTuple):
    """Pixels from `left` and `top` to `right` and `bottom`, the latter two excluded."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def pixels(self) -> tuple[slice, slice]:
        """The index of the box in an array [height, width, …]."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def size(self) -> tuple[int, int]:
        return self.right - self.left, self.bottom - self.top


def mask_levels(pixels: np.ndarray, *, only_alpha: bool = False) -> np.ndarray:
    """The levels, uint8 [height, width], of a mask image [height, width, 3 or 4].

    If any pixel is transparent, those that are not fully transparent get 255, whatever their colour. Else the level is
    the brightness, or 255 if `only_alpha`.
    """
    if pixels.shape[2] < 4 and only_alpha:
        return np.full(pixels.shape[:2], OPAQUE, np.uint8)
    if pixels.shape[2] == 4 and (only_alpha or bool((pixels[:, :, 3] < OPAQUE).any())):
        return np.where(pixels[:, :, 3] > 0, np.uint8(OPAQUE), np.uint8(0))
    return np.asarray(Image.fromarray(pixels[:, :, :3]).convert("L"))


def binarize(levels: np.ndarray, threshold: int, blur: float = 0) -> Mask:
    """True where uint8 `levels` [height, width] are above the threshold, before or after a Gaussian of `blur` pixels.

    Before as well, because a blur takes a thin line below any threshold. Raises EmptyMaskError.
    """
    if blur:
        levels = np.maximum(levels, np.asarray(Image.fromarray(levels).filter(ImageFilter.GaussianBlur(blur))))
    mask: Mask = levels > threshold
    if not mask.any():
        raise EmptyMaskError(
            "the mask is empty: no pixel is marked for repainting; mark pixels in white (in a mask with transparency: "
            "make them opaque; in an inverted mask, do the opposite), or lower the threshold"
        )
    return mask


def resize_mask(mask: Mask, width: int, height: int) -> Mask:
    """The mask at another size. An enlarged pixel is that of the nearest one; a reduced pixel is True if any pixel in
    its area is, so that thin lines are not lost."""
    if mask.shape == (height, width):
        return mask
    enlarged_size = max(width, mask.shape[1]), max(height, mask.shape[0])
    image = Image.fromarray(mask.astype(np.uint8) * OPAQUE)
    enlarged = np.asarray(image.resize(enlarged_size, Image.Resampling.NEAREST)) > 0
    return enlarged if enlarged.shape == (height, width) else area_coverage(enlarged, width, height) > 0


def latent_mask(mask: Mask, scale: int) -> Mask:
    """The mask in latent pixels, bool [height / scale, width / scale]: True where any pixel of a latent pixel is."""
    height, width = mask.shape
    cells = mask.reshape(height // scale, scale, width // scale, scale)
    return np.asarray(cells.any(axis=(1, 3)))


def bounding_box(mask: Mask, padding: int) -> Box:
    """The box around all True pixels, `padding` pixels larger on each side, cut at the edges of the image."""
    left, right = _padded_range(np.flatnonzero(mask.any(axis=0)), padding, mask.shape[1])
    top, bottom = _padded_range(np.flatnonzero(mask.any(axis=1)), padding, mask.shape[0])
    return Box(left, top, right, bottom)


def grow_box(box: Box, aspect: float, width: int, height: int) -> Box:
    """The box, enlarged along one axis until width / height is `aspect`, inside an image of `width` × `height`."""
    across, down = box.size
    left, right = _grown_range(box.left, box.right, round(down * aspect), width)
    top, bottom = _grown_range(box.top, box.bottom, round(across / aspect), height)
    return Box(left, top, right, bottom)


def _padded_range(indices: np.ndarray, padding: int, limit: int) -> tuple[int, int]:
    return max(int(indices[0]) - padding, 0), min(int(indices[-1]) + 1 + padding, limit)


def _grown_range(start: int, end: int, length: int, limit: int) -> tuple[int, int]:
    """A range of at least `length` around the middle of start … end, moved to lie within 0 … limit and cut to it."""
    length = min(max(length, end - start), limit)
    start = min(max((start + end - length) // 2, 0), limit - length)
    return start, start + length


def paste_masked(generated: np.ndarray, original: np.ndarray, mask: Mask, fade: int) -> np.ndarray:
    """Blends generated RGB pixels over an original of the same size: fully on the mask, then less and less over `fade`
    pixels around it.

    Outside this band the original stays unchanged, bit for bit. Its alpha stays too, but for pixels that are blended
    over: these become as opaque as generated ones on top make them, and colours count by their alpha.
    """
    box = bounding_box(mask, fade).pixels
    opacity = _feather(mask[box], fade)[:, :, None]
    below = original[box]
    weight = 1 - opacity
    if below.shape[2] == 4:
        weight = weight * (below[:, :, 3:] / np.float32(OPAQUE))
    total = opacity + weight
    colours = (generated[box] * opacity + below[:, :, :3] * weight) / np.maximum(total, np.finfo(np.float32).tiny)
    blended = np.dstack([colours, total * OPAQUE])[:, :, : below.shape[2]]
    result = original.copy()
    result[box] = np.where(opacity > 0, np.rint(blended).astype(np.uint8), below)
    return result


def _feather(mask: Mask, fade: int) -> np.ndarray:
    """Opacity [height, width], float32: 1 on the mask, falling to 0 over a band of `fade` pixels around it."""
    if not fade:
        return mask.astype(np.float32)
    from scipy.ndimage import distance_transform_edt

    opacity: np.ndarray = np.clip(1 - distance_transform_edt(~mask) / (fade + 1), 0, 1).astype(np.float32)
    return opacity


def fill_nearest(pixels: np.ndarray, mask: Mask) -> np.ndarray:
    """Replaces each pixel of the mask by the nearest one outside; unchanged if the mask covers all or nothing."""
    if mask.all() or not mask.any():
        return pixels
    from scipy.ndimage import distance_transform_edt

    rows, columns = distance_transform_edt(mask, return_distances=False, return_indices=True)
    nearest: np.ndarray = pixels[rows, columns]
    return nearest
