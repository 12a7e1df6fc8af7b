"""Control maps that need no weights, and what is done to a map whoever drew it. Maps are uint8 RGB [h, w, 3]."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

STROKE = 7
"""Width of a scribble's strokes, in pixels at the resolution at which it is drawn."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """How a map is drawn. `resolution` is the shorter side, in pixels, at which the picture is looked at."""

    resolution: int = 512
    low: int = 100
    """Canny: gradients above `high` are edges, and those above `low` that continue them."""
    high: int = 200
    value: float = 0.1
    """M-LSD: lines of a lower score are left out."""
    distance: float = 0.1
    """M-LSD: lines that are shorter than so many pixels of its own map are left out."""


def canny(pixels: np.ndarray, drawing: Drawing) -> np.ndarray:
    """White edges on black (Canny, "A Computational Approach to Edge Detection", 1986)."""
    edges = cv2.Canny(scaled(pixels, drawing.resolution), drawing.low, drawing.high)
    return _at_size(edges, pixels)


def scribble(pixels: np.ndarray, drawing: Drawing) -> np.ndarray:
    """White strokes on black, as broad as those of a hand with a marker: edges without their small turns."""
    smooth = cv2.GaussianBlur(scaled(pixels, drawing.resolution), (0, 0), STROKE / 2)
    edges = cv2.Canny(smooth, drawing.low // 4, drawing.high // 4)
    strokes = cv2.dilate(edges, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (STROKE, STROKE)))
    return binarized(_at_size(strokes, pixels), 127)


def tile(pixels: np.ndarray, drawing: Drawing) -> np.ndarray:
    """The picture itself: a tile ControlNet keeps what it shows and paints detail."""
    return pixels


def binarized(pixels: np.ndarray, threshold: int) -> np.ndarray:
    """White where the map is brighter than the threshold, 0 to 255, and black elsewhere."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return _rgb(np.where(grey > threshold, np.uint8(255), np.uint8(0)))


def scaled(pixels: np.ndarray, resolution: int) -> np.ndarray:
    """The picture with `resolution` pixels along its shorter side; as it is if it has fewer: enlarging dulls edges."""
    height, width = pixels.shape[:2]
    factor = resolution / min(height, width)
    if factor >= 1:
        return pixels
    return cv2.resize(pixels, (round(width * factor), round(height * factor)), interpolation=cv2.INTER_AREA)


def _at_size(plane: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """A grey plane as RGB, as large as `pixels`."""
    height, width = pixels.shape[:2]
    return _rgb(cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR))


def _rgb(plane: np.ndarray) -> np.ndarray:
    return np.repeat(plane[:, :, None], 3, axis=2)


WITHOUT_WEIGHTS = {"canny": canny, "scribble": scribble, "tile": tile}
