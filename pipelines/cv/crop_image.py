"""Cut a box out of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipelines.params.image_operation import LtRb, SourceImageParams
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import BadBoxError, ImageOperation

if TYPE_CHECKING:
    import numpy as np


class CropImageParams(SourceImageParams):
    lt_rb: LtRb


class CropImage(ImageOperation[CropImageParams]):
    names = ("cv.crop_image",)
    title = "Crop"
    Params = CropImageParams

    def apply(self, params: CropImageParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        height, width = images["url"].shape[:2]
        left, top, right, bottom = params.lt_rb
        left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        if left >= right or top >= bottom:
            raise BadBoxError(
                f"lt_rb {list(params.lt_rb)} contains no pixel of the picture, which is {width}×{height}; "
                "give [left, top, right, bottom] inside the picture, with left < right and top < bottom"
            )
        return TaskResult([images["url"][top:bottom, left:right].copy()])
