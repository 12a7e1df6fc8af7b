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

    def scaled(self, width: int, height: int) -> tuple[int, int]:
        """Width and height to scale a picture of `width` × `height` to."""
        if self.mode == "fill":
            return self.w, self.h
        ratios = self.w / width, self.h / height
        scale = min(ratios) if self.mode == "fit" else max(ratios)
        return max(round(width * scale), 1), max(round(height * scale), 1)

    @property
    def pixels(self) -> int:
        return self.w * self.h


class Resize(ImageOperation[ResizeParams]):
    names = ("cv.resize",)
    title = "Resize"
    Params = ResizeParams

    def apply(self, params: ResizeParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        import numpy as np
        from PIL import Image

        from models.imaging.affine import FILTERS

        picture = Image.fromarray(images["url"])
        width, height = params.scaled(*picture.size)
        resampling = FILTERS[params.resampling]
        if params.mode != "cover":
            return TaskResult([np.asarray(picture.resize((width, height), resampling))])
        box_width, box_height = params.w * picture.width / width, params.h * picture.height / height
        left, top = max((picture.width - box_width) / 2, 0.0), max((picture.height - box_height) / 2, 0.0)
        box = left, top, min(left + box_width, picture.width), min(top + box_height, picture.height)
        return TaskResult([np.asarray(picture.resize((params.w, params.h), resampling, box))])
