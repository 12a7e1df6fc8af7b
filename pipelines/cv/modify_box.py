"""Widen a box, and make it square."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation, ImageOperationParams, LtRb, Side

if TYPE_CHECKING:
    import numpy as np


class ModifyBoxParams(ImageOperationParams):
    lt_rb: LtRb
    w: Side | None = Field(None, description="Width of the picture, beyond which the box must not reach.")
    h: Side | None = Field(None, description="Height of the picture, beyond which the box must not reach.")
    padding: int = Field(0, ge=0, le=8192, description="Pixels to widen the box by on each side.")
    to_square: bool = Field(False, description="Make both sides as long as the longer one, as far as the picture goes.")


class ModifyBox(ImageOperation[ModifyBoxParams]):
    """Answers `{boxes: [[left, top, right, bottom]]}`."""

    names = ("cv.modify_box",)
    title = "Modify a box"
    Params = ModifyBoxParams
    answers = ([0, 0, 1, 1],)

    def made(self, params: ModifyBoxParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        left, top, right, bottom = params.lt_rb
        across = _within(left - params.padding, right + params.padding, params.w)
        down = _within(top - params.padding, bottom + params.padding, params.h)
        if params.to_square:
            side = max(across[1] - across[0], down[1] - down[0])
            across, down = _grown(*across, side, params.w), _grown(*down, side, params.h)
        return TaskResult(answer={"boxes": [[across[0], down[0], across[1], down[1]]]})


def _within(start: int, end: int, limit: int | None) -> tuple[int, int]:
    return (start, end) if limit is None else (max(start, 0), min(end, limit))


def _grown(start: int, end: int, length: int, limit: int | None) -> tuple[int, int]:
    """`length` around the middle of start … end, moved to lie within 0 … limit."""
    start -= (length - (end - start)) // 2
    if limit is not None:
        length = min(length, limit)
        start = min(max(start, 0), limit - length)
    return start, start + length
