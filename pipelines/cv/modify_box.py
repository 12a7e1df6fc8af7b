"""Widen a box, or make it square."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.params.image_operation import ImageOperationParams, LtRb
from pipelines.params.limits import LONGEST_SIDE, ImageSide
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation

if TYPE_CHECKING:
    import numpy as np


class ModifyBoxParams(ImageOperationParams):
    lt_rb: LtRb
    w: ImageSide | None = Field(None, description="Width of the picture; the box is kept inside it.")
    h: ImageSide | None = Field(None, description="Height of the picture; the box is kept inside it.")
    padding: int = Field(0, ge=0, le=LONGEST_SIDE, description="Pixels to add to the box on each side.")
    to_square: bool = Field(
        False, description="Make both sides as long as the longer one, as far as the picture allows."
    )


class ModifyBox(ImageOperation[ModifyBoxParams]):
    """Answers `{boxes: [[left, top, right, bottom]]}`."""

    names = ("cv.modify_box",)
    title = "Modify a box"
    Params = ModifyBoxParams
    answers = ([0, 0, 1, 1],)

    def apply(self, params: ModifyBoxParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        left, top, right, bottom = params.lt_rb
        columns = _within(left - params.padding, right + params.padding, params.w)
        rows = _within(top - params.padding, bottom + params.padding, params.h)
        if params.to_square:
            side = max(columns[1] - columns[0], rows[1] - rows[0])
            columns, rows = _resized(*columns, side, params.w), _resized(*rows, side, params.h)
        return TaskResult(answer={"boxes": [[columns[0], rows[0], columns[1], rows[1]]]})


def _within(start: int, end: int, limit: int | None) -> tuple[int, int]:
    return (start, end) if limit is None else (max(start, 0), min(end, limit))


def _resized(start: int, end: int, length: int, limit: int | None) -> tuple[int, int]:
    """An interval of `length` around the middle of start … end, moved into 0 … limit."""
    start -= (length - (end - start)) // 2
    if limit is not None:
        length = min(length, limit)
        start = min(max(start, 0), limit - length)
    return start, start + length
