"""Sizes from aspect ratios, for APIs whose clients name a ratio and no pixels."""

from __future__ import annotations

import math
import re

from server.tasks.submission import InvalidParamsError

USUAL_SIDE, STEP, WIDEST = 512, 8, 4.0
"""The side of a square for a model that has none, in pixels; sides are multiples of STEP; the widest ratio."""
_RATIO = re.compile(r"\s*(\d{1,4}(?:\.\d+)?)\s*[:：/xX]\s*(\d{1,4}(?:\.\d+)?)\s*")


def size_of(ratio: str, side: int | None, field: str) -> tuple[int, int]:
    """Width and height of this ratio with about `side`² pixels. Raises InvalidParamsError, which names `field`."""
    match = _RATIO.fullmatch(ratio)
    width, height = (float(match[1]), float(match[2])) if match else (0.0, 0.0)
    if not (width and height and 1 / WIDEST <= width / height <= WIDEST):
        raise InvalidParamsError(f"{field} {ratio!r} is no ratio from 1:{WIDEST:g} to {WIDEST:g}:1; write 16:9", field)
    factor = (side or USUAL_SIDE) / math.sqrt(width * height)
    return round(width * factor / STEP) * STEP, round(height * factor / STEP) * STEP
