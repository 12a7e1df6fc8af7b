"""Histogram matching: gives an image the colours of another, channel by channel.

Gonzalez and Woods, "Digital Image Processing", §3.3.
"""

from __future__ import annotations

import numpy as np


def match_histogram(pixels: np.ndarray, reference: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Maps the levels of uint8 `pixels` [height, width, channels] so that the histogram of those in `mask` becomes that
    of `reference`, which may have any size. Pixels outside the mask are mapped by the same curve.
    """
    result = pixels.copy()
    for channel in range(pixels.shape[2]):
        source = _cumulative(pixels[:, :, channel][mask])
        target = _cumulative(reference[:, :, channel])
        levels = np.interp(source, target, np.arange(256))
        result[:, :, channel] = np.rint(levels).astype(np.uint8)[pixels[:, :, channel]]
    return result


def _cumulative(levels: np.ndarray) -> np.ndarray:
    """[256]: for each level, the share of pixels below it, and half of the share at it."""
    counts = np.bincount(levels.ravel(), minlength=256) / max(levels.size, 1)
    cumulative: np.ndarray = counts.cumsum() - counts / 2
    return cumulative
