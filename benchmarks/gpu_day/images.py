"""Input images, and how much two images differ."""

from __future__ import annotations

import numpy as np

from server.commands.bench.workloads import smooth_noise


def centre(side: int) -> np.ndarray:
    """A mask whose middle is white: uint8 [side, side, 3]."""
    mask = np.zeros((side, side, 3), np.uint8)
    mask[side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = 255
    return mask


def picture(side: int) -> np.ndarray:
    return smooth_noise(side, side)


def mean_difference(one: np.ndarray, other: np.ndarray) -> float:
    """In levels of uint8."""
    if one.shape != other.shape:
        raise ValueError(f"an image of {one.shape} is compared with one of {other.shape}")
    return float(np.abs(one.astype(int) - other).mean())


def is_flat(image: np.ndarray) -> bool:
    """Whether it shows nothing: a black image equals a black image."""
    return float(image.std()) < 1
