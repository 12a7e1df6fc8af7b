"""Reckon with the pixels of two pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipelines.params.image_refs import ImageRef
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation, SizeMismatchError, SourceImageParams

if TYPE_CHECKING:
    import numpy as np


Operation = Literal[
    "add",
    "subtract",
    "multiply",
    "screen",
    "average",
    "minimum",
    "maximum",
    "abs_diff",
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
]


class OpParams(SourceImageParams):
    url2: ImageRef
    op: Operation = Field(
        description="Pixels count from 0 to 255, and sums stop there. `multiply` and `screen` take 255 for 1."
    )


class Op(ImageOperation[OpParams]):
    names = ("cv.op",)
    title = "Operation on two pictures"
    Params = OpParams

    def made(self, params: OpParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        from models.imaging.pixels import opaque

        one, other = images["url"], images["url2"]
        if one.shape[:2] != other.shape[:2]:
            sizes = [f"{each.shape[1]}×{each.shape[0]}" for each in (one, other)]
            raise SizeMismatchError(f"url is {sizes[0]} and url2 {sizes[1]}; make them of one size by cv.resize first")
        if one.shape != other.shape:
            one, other = opaque(one), opaque(other)
        return TaskResult([_result(params.op, one.astype("int32"), other.astype("int32"))])


def _result(operation: Operation, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """uint8 of two arrays of levels 0…255."""
    match operation:
        case "add":
            levels = one + other
        case "subtract":
            levels = one - other
        case "multiply":
            levels = (one * other + 127) // 255
        case "screen":
            levels = 255 - ((255 - one) * (255 - other) + 127) // 255
        case "average":
            levels = (one + other + 1) // 2
        case "minimum":
            levels = one.clip(max=other)
        case "maximum":
            levels = one.clip(min=other)
        case "abs_diff":
            levels = abs(one - other)
        case "bitwise_and":
            levels = one & other
        case "bitwise_or":
            levels = one | other
        case "bitwise_xor":
            levels = one ^ other
    clipped: np.ndarray = levels.clip(0, 255)
    return clipped.astype("uint8")
