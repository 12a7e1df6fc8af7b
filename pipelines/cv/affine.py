"""Move, rotate and scale a picture on a canvas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.params.affine_transform import AffineTransformParams
from pipelines.params.limits import ImageSide
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation

if TYPE_CHECKING:
    import numpy as np


class AffineParams(AffineTransformParams):
    w: ImageSide = Field(description="Width of the canvas.")
    h: ImageSide = Field(description="Height of the canvas.")
    force_rgba: bool = Field(
        False, description="Make the empty part of the canvas transparent, even if the picture has no alpha."
    )

    @property
    def pixels(self) -> int:
        return self.w * self.h


class Affine(ImageOperation[AffineParams]):
    names = ("cv.affine",)
    title = "Affine transform"
    Params = AffineParams

    def apply(self, params: AffineParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        from models.imaging.affine import warp
        from models.imaging.pixels import to_rgba

        picture = to_rgba(images["url"]) if params.force_rgba else images["url"]
        return TaskResult([warp(picture, params.matrix, params.w, params.h, params.resampling, params.wh_limit)])
