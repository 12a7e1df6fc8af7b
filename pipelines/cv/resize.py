"""Give a picture another size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import Filter, ImageOperation, Side, SourceImageParams

if TYPE_CHECKING:
    import numpy as np


class ResizeParams(SourceImageParams):
    w: Side
    h: Side
    mode: Literal["fill", "fit", "cover"] = Field(
        "fill",
        description="Stretched to w × h, as large as fits into it, or filling it, its margins cut off.",
    )
    resampling: Filter = Field("bilinear", description="How pixels are weighed.")

    def scaled(self, width: int, height: int) -> tuple[int, int]:
        """The size to resize a picture of this one to."""
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

    def made(self, params: ResizeParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        import numpy as np
        from PIL import Image

        from models.imaging.affine import FILTERS

        picture = Image.fromarray(images["url"])
        width, height = params.scaled(*picture.size)
        resampling = FILTERS[params.resampling]
        if params.mode != "cover":
            return TaskResult([np.asarray(picture.resize((width, height), resampling))])
        across, down = params.w * picture.width / width, params.h * picture.height / height
        left, top = max((picture.width - across) / 2, 0.0), max((picture.height - down) / 2, 0.0)
        box = left, top, min(left + across, picture.width), min(top + down, picture.height)
        return TaskResult([np.asarray(picture.resize((params.w, params.h), resampling, box))])
