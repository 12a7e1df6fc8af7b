"""Resize a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipelines.params.image_operation import Filter, SourceImageParams
from pipelines.params.limits import ImageSide
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation

if TYPE_CHECKING:
    import numpy as np


class ResizeParams(SourceImageParams):
    w: ImageSide
    h: ImageSide
    mode: Literal["fill", "fit", "cover"] = Field(
        "fill",
        description="`fill` stretches the picture to w × h. `fit` keeps its shape and makes it as large as fits "
        "into w × h. `cover` keeps its shape, fills w × h, and crops what is too much.",
    )
    resampling: Filter = Field("bilinear", description="The filter that resizes the picture.")

    def fitting(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of a picture of `width` × `height` that was made as large as fits."""
        scale = min(self.w / width, self.h / height)
        return max(round(width * scale), 1), max(round(height * scale), 1)

    @property
    def pixels(self) -> int:
        return self.w * self.h


class Resize(ImageOperation[ResizeParams]):
    names = ("cv.resize",)
    title = "Resize"
    Params = ResizeParams

    def apply(self, params: ResizeParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        from models.imaging.affine import FILTERS
        from models.imaging.resize_modes import ResizeMode, resize_to

        picture = images["url"]
        size = (params.w, params.h) if params.mode != "fit" else params.fitting(picture.shape[1], picture.shape[0])
        mode: ResizeMode = "cover" if params.mode == "cover" else "fill"
        return TaskResult([resize_to(picture, *size, mode, FILTERS[params.resampling])])
