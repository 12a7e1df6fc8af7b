"""Pictures for tests."""

from __future__ import annotations

import numpy as np

SIDE = 64
_ROWS, _COLUMNS = np.mgrid[:SIDE, :SIDE]
DISC = ((_ROWS - 32) ** 2 + (_COLUMNS - 24) ** 2 < 300)[:, :, None]
"""bool [64, 64, 1]: the disc of PICTURE."""
PICTURE = np.where(DISC, 250, np.stack([2 * _ROWS, 128 - 2 * _ROWS, 2 * _COLUMNS], axis=2)).astype(np.uint8)
"""A bright disc on a gradient, uint8 [64, 64, 3]."""
EDGES = np.where(DISC, 255, 0).astype(np.uint8).repeat(3, axis=2)
"""A finished control map: the disc in white on black."""
DEPTHS = (_ROWS + _COLUMNS)[:, :, None].repeat(3, axis=2).astype(np.uint8)
"""Another finished control map: a gradient."""


def random_pixels(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """uint8 [height, width, channels]; the same for the same arguments."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
