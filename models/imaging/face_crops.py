"""Squares around faces, and what is cut out of an image and put back there."""

from __future__ import annotations

import numpy as np

from models.imaging.masks import Box, paste_masked

FADE = 0.1
"""Width of the band in which a pasted face fades into the image, in sides of its square."""


def crop_square(pixels: np.ndarray, square: Box) -> np.ndarray:
    """The part of the square that lies in pixels [height, width, channels]."""
    return pixels[_within(square, pixels).pixels].copy()


def crop_padded(pixels: np.ndarray, square: Box) -> np.ndarray:
    """The whole square; outside of the image its edge goes on."""
    height, width = pixels.shape[:2]
    rows = np.arange(square.top, square.bottom).clip(0, height - 1)
    columns = np.arange(square.left, square.right).clip(0, width - 1)
    content: np.ndarray = pixels[rows[:, None], columns]
    return content


def paste_square(pixels: np.ndarray, square: Box, content: np.ndarray, strength: float) -> np.ndarray:
    """A copy of uint8 `pixels` [height, width, 3 or 4] with RGB `content` of the square's size over it.

    `content` fades towards the edges of the square, but not where these are those of the image. `strength`, 0 to 1, is
    its opacity.
    """
    box = _within(square, pixels)
    left, top = box.left - square.left, box.top - square.top
    across, down = box.size
    below = pixels[box.pixels]
    over = content[top : top + down, left : left + across].astype(np.float32)
    mixed = np.rint(over * strength + below[:, :, :3] * np.float32(1 - strength)).astype(np.uint8)
    fade = round((square.right - square.left) * FADE)
    mask = np.zeros((down, across), bool)
    mask[_kept(square.top, square.bottom, box.top, fade, pixels.shape[0])] = True
    columns = np.zeros(across, bool)
    columns[_kept(square.left, square.right, box.left, fade, pixels.shape[1])] = True
    result = pixels.copy()
    result[box.pixels] = paste_masked(mixed, below, mask & columns, fade)
    return result


def _kept(begin: int, end: int, first: int, fade: int, limit: int) -> slice:
    """The pixels, counted from `first`, that are not in the band."""
    start = 0 if begin <= 0 else begin + fade
    stop = limit if end >= limit else end - fade
    return slice(max(start - first, 0), max(stop - first, 0))


def _within(square: Box, pixels: np.ndarray) -> Box:
    height, width = pixels.shape[:2]
    return Box(max(square.left, 0), max(square.top, 0), min(square.right, width), min(square.bottom, height))
