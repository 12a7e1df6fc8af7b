"""Blur a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.params.image_operation import SourceImageParams
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation

if TYPE_CHECKING:
    import numpy as np


class BlurParams(SourceImageParams):
    radius: float = Field(2, ge=0, le=256, description="Standard deviation of the Gaussian, in pixels.")


class Blur(ImageOperation[BlurParams]):
    names = ("cv.blur",)
    title = "Blur"
    Params = BlurParams

    def apply(self, params: BlurParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        import numpy as np
        from PIL import Image, ImageFilter

        picture = Image.fromarray(images["url"])
        # Premultiplied by alpha, so that the colours of transparent pixels do not bleed into their neighbours.
        premultiplied = picture.convert("RGBa") if picture.mode == "RGBA" else picture
        blurred = premultiplied.filter(ImageFilter.GaussianBlur(params.radius))
        return TaskResult([np.asarray(blurred.convert(picture.mode))])
