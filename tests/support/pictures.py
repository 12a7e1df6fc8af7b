"""Pictures for tests."""

from __future__ import annotations

import numpy as np


def random_pixels(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    """uint8 [height, width, channels]; the same for the same arguments."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
