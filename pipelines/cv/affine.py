"""Move, turn and scale a picture on a canvas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.paste import Placed
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation, Side

if TYPE_CHECKING:
    import numpy as np


class AffineParams(Placed):
    w: Side = Field(description="Width of the canvas.")
    h: Side = Field(description="Height of the canvas.")
    force_rgba: bool = Field(False, description="Leave the rest of the canvas transparent, not black, in any case.")

    @property
    def pixels(self) -> int:
        return self.w * self.h


class Affine(ImageOperation[AffineParams]):
    names = ("cv.affine",)
    title = "Affine map"
    Params = AffineParams

    def made(self, params: AffineParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        from models.imaging.affine import warped
        from models.imaging.pixels import opaque

        picture = opaque(images["url"]) if params.force_rgba else images["url"]
        return TaskResult([warped(picture, params.matrix, params.w, params.h, params.resampling, params.wh_limit)])
