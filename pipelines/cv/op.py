"""Combine the pixels of two pictures by an arithmetic operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipelines.params.image_operation import SourceImageParams
from pipelines.params.image_refs import ImageRef
from pipelines.params.limits import SizeMismatchError
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation

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
        description="The operation on levels from 0 to 255. Results are clipped to that range; `multiply` and "
        "`screen` treat 255 as 1. `average` mixes colours by their alpha; the others treat alpha as a fourth level."
    )


class Op(ImageOperation[OpParams]):
    names = ("cv.op",)
    title = "Operation on two pictures"
    Params = OpParams

    def apply(self, params: OpParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        from models.imaging.pixels import to_rgba

        first, second = images["url"], images["url2"]
        if first.shape[:2] != second.shape[:2]:
            sizes = [f"{each.shape[1]}×{each.shape[0]}" for each in (first, second)]
            raise SizeMismatchError(
                f"url is {sizes[0]}, but url2 is {sizes[1]}; resize one of them with cv.resize first"
            )
        if first.shape != second.shape:
            first, second = to_rgba(first), to_rgba(second)
        return TaskResult([_result(params.op, first.astype("int32"), second.astype("int32"))])


def _result(operation: Operation, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """uint8 levels of two int32 arrays of levels 0…255 with the same shape."""
    match operation:
        case "add":
            levels = first + second
        case "subtract":
            levels = first - second
        case "multiply":
            levels = (first * second + 127) // 255
        case "screen":
            levels = 255 - ((255 - first) * (255 - second) + 127) // 255
        case "average":
            levels = _average(first, second)
        case "minimum":
            levels = first.clip(max=second)
        case "maximum":
            levels = first.clip(min=second)
        case "abs_diff":
            levels = abs(first - second)
        case "bitwise_and":
            levels = first & second
        case "bitwise_or":
            levels = first | second
        case "bitwise_xor":
            levels = first ^ second
    clipped: np.ndarray = levels.clip(0, 255)
    return clipped.astype("uint8")


def _average(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Rounded means; colours count by their alpha, so that transparent pixels do not darken others."""
    import numpy as np

    means: np.ndarray = (first + second + 1) // 2
    if first.shape[2] == 4:
        total = first[:, :, 3:] + second[:, :, 3:]
        colours = first[:, :, :3] * first[:, :, 3:] + second[:, :, :3] * second[:, :, 3:]
        means[:, :, :3] = np.where(total > 0, (colours + total // 2) // np.maximum(total, 1), means[:, :, :3])
    return means
