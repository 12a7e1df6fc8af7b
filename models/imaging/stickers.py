"""Stickers: the things of a picture, each cut out with a border of one colour around it."""

from __future__ import annotations

import numpy as np

from models.imaging.masks import OPAQUE, bounding_box

LEVEL = 128
"""Alpha from which a pixel belongs to a thing."""


class NoStickerError(ValueError):
    """A picture has no thing that is large enough."""

    code = "bad_input"


def cut_stickers(
    picture: np.ndarray,
    alpha: np.ndarray,
    *,
    border: int,
    colour: tuple[int, int, int],
    least_share: float,
    most: int,
) -> list[np.ndarray]:
    """uint8 RGBA stickers, the largest first.

    picture: uint8 RGB [height, width, 3]. alpha: its opacity without the ground, uint8 [height, width].
    border: width in pixels. least_share: smaller things are left out, as a fraction of the picture. Raises
    NoStickerError.
    """
    from scipy.ndimage import find_objects, label

    labels, _ = label(alpha >= LEVEL, np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    large = [each for each in np.argsort(-sizes[1:]) + 1 if sizes[each] >= least_share * labels.size]
    if not large:
        raise NoStickerError(
            "url: no thing was found that is large enough; send a picture of things before a plain ground, or lower "
            "min_area"
        )
    boxes = find_objects(labels)
    stickers = []
    for each in large[:most]:
        thing = np.where(labels[boxes[each - 1]] == each, alpha[boxes[each - 1]], 0).astype(np.uint8)
        stickers.append(_sticker(picture[boxes[each - 1]], thing, border, colour))
    return stickers


def _sticker(pixels: np.ndarray, alpha: np.ndarray, border: int, colour: tuple[int, int, int]) -> np.ndarray:
    """The thing over its own outline, which is `border` pixels broader and has no holes."""
    from scipy.ndimage import binary_fill_holes, distance_transform_edt

    margin = border + 1
    pixels = np.pad(pixels, ((margin, margin), (margin, margin), (0, 0)))
    alpha = np.pad(alpha, margin)
    whole = binary_fill_holes(alpha >= LEVEL) if border else alpha >= LEVEL
    outline = np.clip(border + 1 - distance_transform_edt(~whole), 0, 1) if border else np.zeros(alpha.shape)
    weight = (alpha / OPAQUE)[:, :, None]
    colours = pixels * weight + np.array(colour) * (1 - weight) if border else pixels
    opacity = np.maximum(outline * OPAQUE, alpha)
    sticker: np.ndarray = np.rint(np.dstack([colours, opacity])).astype(np.uint8)
    return np.asarray(sticker[bounding_box(opacity > 0, 1).pixels])
