"""A product that was cut out of its picture: placed on a canvas, with a shadow, and put over a painted ground."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from models.imaging.histogram import match_histogram
from models.imaging.masks import OPAQUE, bounding_box
from models.imaging.pixels import resize

SHADOW_HEIGHT, SHADOW_BLUR, SHADOW_OPACITY = 0.16, 0.03, 0.55
"""Height and blur of a contact shadow as fractions of the product's height, and its opacity where it is darkest."""
BAND = 0.04
"""Width of the edge that takes on colours of the ground, as a fraction of the product's shorter side."""
LEAST_BAND = 4
"""The same in pixels, at least."""
FAINT = 16
"""Alpha up to this, of 255, is what matting leaves of the ground; it is no part of the product."""


class NoProductError(ValueError):
    """A picture has no opaque pixel."""

    code = "bad_input"


def placed(
    cut_out: np.ndarray, width: int, height: int, centre: tuple[float, float], scale: float | None
) -> np.ndarray:
    """A transparent canvas, uint8 [height, width, 4], with the visible part of the cut-out.

    centre: of that part, as fractions of the canvas; it is moved as far as the part needs to be seen whole.
    scale: the share of the canvas that it fills along the side that is tighter. None: it keeps its pixels, unless it is
    larger than the canvas. Raises NoProductError.
    """
    visible = cut_out[:, :, 3] > FAINT
    if not visible.any():
        raise NoProductError("url: no product was found in the picture; send one with a product before a plain ground")
    part = cut_out[bounding_box(visible, 0).pixels]
    fitting = min(width / part.shape[1], height / part.shape[0])
    factor = min(fitting, 1.0) if scale is None else fitting * scale
    across, down = (max(round(side * factor), 1) for side in (part.shape[1], part.shape[0]))
    left = min(max(round(centre[0] * width - across / 2), 0), width - across)
    top = min(max(round(centre[1] * height - down / 2), 0), height - down)
    canvas = np.zeros((height, width, 4), np.uint8)
    canvas[top : top + down, left : left + across] = resize(part, across, down)
    return canvas


def contact_shadow(alpha: np.ndarray) -> np.ndarray:
    """How much light the product takes from the ground under it: float32 [height, width], 0 to 1.

    alpha: of the product on its canvas, uint8 [height, width]. Its shape is pressed flat on its own base, and blurred.
    """
    box = bounding_box(alpha > alpha.max() // 2, 0)
    across, down = box.size
    flat = Image.fromarray(alpha[box.pixels]).resize((across, max(round(down * SHADOW_HEIGHT), 3)))
    shadow = Image.new("L", (alpha.shape[1], alpha.shape[0]))
    shadow.paste(flat, (box.left, box.bottom - round(flat.height * 0.6)))
    blurred = shadow.filter(ImageFilter.GaussianBlur(max(down * SHADOW_BLUR, 1)))
    return np.asarray(blurred, np.float32) * np.float32(SHADOW_OPACITY / OPAQUE)


def shaded(ground: np.ndarray, shadow: np.ndarray) -> np.ndarray:
    """The ground, uint8 RGB, under a shadow from `contact_shadow`."""
    dark: np.ndarray = np.rint(ground * (1 - shadow[:, :, None])).astype(np.uint8)
    return dark


def harmonized(product: np.ndarray, ground: np.ndarray, strength: float) -> np.ndarray:
    """The product, uint8 [height, width, 4], whose edge takes on colours of the ground around it.

    strength: 0 leaves it as it is; at 1 its outermost pixels have the colours of the ground.
    """
    from scipy.ndimage import distance_transform_edt

    visible = product[:, :, 3] > FAINT
    if not strength or visible.all():
        return product
    band = max(round(min(bounding_box(visible, 0).size) * BAND), LEAST_BAND)
    around = ~visible & (distance_transform_edt(~visible) <= 2 * band)
    matched = match_histogram(product[:, :, :3], ground[around][:, None], visible).astype(np.float32)
    weight = strength * np.clip(1 - (distance_transform_edt(visible) - 1) / band, 0, 1)[:, :, None]
    colours = product[:, :, :3] + (matched - product[:, :, :3]) * weight
    return np.dstack([np.rint(colours).astype(np.uint8), product[:, :, 3]])


def laid_over(product: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """The product, uint8 [height, width, 4], over a ground, uint8 RGB. Its opaque pixels stay as they are."""
    alpha = product[:, :, 3:].astype(np.uint16)
    blended = (product[:, :, :3] * alpha + ground * (OPAQUE - alpha) + OPAQUE // 2) // OPAQUE
    return blended.astype(np.uint8)
