"""Control maps that need no weights, and operations on any map. Maps are uint8 RGB [height, width, 3]."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

STROKE = 7
"""Width of the strokes of a scribble, in pixels at the resolution at which it is drawn."""


@dataclass(frozen=True, slots=True)
class DrawOptions:
    """How a map is drawn."""

    resolution: int = 512
    """The shorter side, in pixels, to which the image is reduced before the map is drawn."""
    low: int = 100
    """Canny: gradients above `low` are edges if they continue an edge."""
    high: int = 200
    """Canny: gradients above `high` are edges."""
    value: float = 0.1
    """M-LSD: the lowest score of a line."""
    distance: float = 0.1
    """M-LSD: the shortest length of a line, in pixels of the net's own map."""


def canny(pixels: np.ndarray, options: DrawOptions) -> np.ndarray:
    """White edges on black (Canny, "A Computational Approach to Edge Detection", 1986)."""
    edges = cv2.Canny(limit_resolution(pixels, options.resolution), options.low, options.high)
    return _at_size(edges, pixels)


def scribble(pixels: np.ndarray, options: DrawOptions) -> np.ndarray:
    """White strokes on black, as broad as those of a marker: edges without their small turns."""
    smooth = cv2.GaussianBlur(limit_resolution(pixels, options.resolution), (0, 0), STROKE / 2)
    edges = cv2.Canny(smooth, options.low // 4, options.high // 4)
    strokes = cv2.dilate(edges, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (STROKE, STROKE)))
    return binarize_map(_at_size(strokes, pixels), 127)


def tile(pixels: np.ndarray, options: DrawOptions) -> np.ndarray:
    """The image itself: a tile ControlNet keeps its content and adds detail."""
    return pixels


def grey(pixels: np.ndarray, options: DrawOptions) -> np.ndarray:
    """The image itself in grey: ControlNets for QR codes and for brightness put its light and dark into a picture."""
    return _rgb(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))


def binarize_map(pixels: np.ndarray, threshold: int) -> np.ndarray:
    """White where the map is brighter than the threshold, 0 to 255, and black elsewhere."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return _rgb(np.where(grey > threshold, np.uint8(255), np.uint8(0)))


def limit_resolution(pixels: np.ndarray, resolution: int) -> np.ndarray:
    """Reduces an image to `resolution` pixels along its shorter side. It never enlarges, which would blur edges."""
    height, width = pixels.shape[:2]
    factor = resolution / min(height, width)
    if factor >= 1:
        return pixels
    return cv2.resize(pixels, (round(width * factor), round(height * factor)), interpolation=cv2.INTER_AREA)


def _at_size(plane: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """A grey plane as RGB of the size of `pixels`."""
    height, width = pixels.shape[:2]
    return _rgb(cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR))


def _rgb(plane: np.ndarray) -> np.ndarray:
    return np.repeat(plane[:, :, None], 3, axis=2)


WITHOUT_WEIGHTS = {"canny": canny, "scribble": scribble, "tile": tile, "qr": grey, "brightness": grey}
