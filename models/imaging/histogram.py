"""Giving a picture the colours of another: histogram matching, channel by channel.

Gonzalez and Woods, "Digital Image Processing", §3.3.
"""

from __future__ import annotations

import numpy as np


def matched(pixels: np.ndarray, model: np.ndarray, where: np.ndarray) -> np.ndarray:
    """uint8 `pixels` [height, width, channels], those in the mask `where` spread over the levels as all of `model` are.

    The others are mapped the same way, and `model` may have any size.
    """
    result = pixels.copy()
    for channel in range(pixels.shape[2]):
        had = _cumulative(pixels[:, :, channel][where])
        wants = _cumulative(model[:, :, channel])
        levels = np.interp(had, wants, np.arange(256))
        result[:, :, channel] = np.rint(levels).astype(np.uint8)[pixels[:, :, channel]]
    return result


def _cumulative(levels: np.ndarray) -> np.ndarray:
    """Of each level 0…255, the share of pixels below it, and half of those at it."""
    counts = np.bincount(levels.ravel(), minlength=256) / max(levels.size, 1)
    shares: np.ndarray = counts.cumsum() - counts / 2
    return shares
