"""QR codes: drawn, and read from painted pictures as a phone's camera would read them."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

QUIET = 4
"""Modules of plain ground around a code, as its standard asks for. OpenCV draws 2 of them."""
LEAST_MODULE = 4
"""Pixels of a module's side, at least; a painted code with smaller ones cannot be read."""
BLURS = (0.0, 1.5, 3.0)
"""Standard deviations, in pixels, of the blurs through which a picture is read."""
SHRUNK = (1.0, 0.5)
"""Sizes at which it is read, as fractions of its own."""


class UnfitCodeError(ValueError):
    """A content has too many modules for a picture, or no code can hold it."""

    code = "bad_input"


def draw_qr(content: str, width: int, height: int) -> np.ndarray:
    """A code in black on white, in the middle of uint8 [height, width], with the most redundancy.

    Raises UnfitCodeError.
    """
    options = cv2.QRCodeEncoder.Params()
    options.correction_level = cv2.QRCODE_ENCODER_CORRECT_LEVEL_H
    try:
        modules = cv2.QRCodeEncoder.create(options).encode(content)
    except cv2.error as error:
        raise UnfitCodeError("qr: no QR code can hold this content; shorten it") from error
    modules = np.pad(modules, QUIET - 2, constant_values=255)
    side = min(width, height) // len(modules)
    if side < LEAST_MODULE:
        least = -(-len(modules) * LEAST_MODULE // 8) * 8
        raise UnfitCodeError(
            f"qr: its code has {len(modules)} modules a side, too many for {width}×{height}; shorten the content, or "
            f"set w and h to at least {least}"
        )
    code = np.kron(modules, np.ones((side, side), np.uint8))
    canvas = np.full((height, width), 255, np.uint8)
    top, left = (height - len(code)) // 2, (width - len(code)) // 2
    canvas[top : top + len(code), left : left + len(code)] = code
    return canvas


def reads_as(pixels: np.ndarray, content: str) -> bool:
    """Whether a code with exactly this content is read in an RGB picture, uint8 [height, width, 3]."""
    return content != "" and any(_read(view) == content for view in _views(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)))


def _views(grey: np.ndarray) -> Iterator[np.ndarray]:
    for blur in BLURS:
        blurred = cv2.GaussianBlur(grey, (0, 0), blur) if blur else grey
        for scale in SHRUNK:
            view = cv2.resize(blurred, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            yield view
            yield cv2.threshold(view, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[1]


def _read(grey: np.ndarray) -> str:
    """The content of the code; empty if none is read."""
    try:
        content: str = cv2.QRCodeDetector().detectAndDecode(grey)[0]
    except (cv2.error, UnicodeDecodeError):  # some pictures look like a code of no content to it
        return ""
    return content
