"""Erode the opaque part of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.params.image_operation import SourceImageParams
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation

if TYPE_CHECKING:
    import numpy as np


class ErodeParams(SourceImageParams):
    n_iter: int = Field(1, ge=1, le=64, description="How often to erode.")
    kernel_size: int = Field(
        3,
        ge=1,
        le=63,
        description="Side of the square around a pixel that must be opaque for the pixel to stay, in pixels.",
    )
    threshold: int = Field(0, ge=0, le=254, description="Alpha values above this count as opaque.")
    padding: int = Field(
        8,
        ge=0,
        le=256,
        description="0: what lies outside the picture counts as opaque; otherwise it erodes the border.",
    )


class Erode(ImageOperation[ErodeParams]):
    names = ("cv.erode",)
    title = "Erode"
    Params = ErodeParams

    def apply(self, params: ErodeParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        import numpy as np
        from scipy.ndimage import minimum_filter1d

        from models.imaging.pixels import to_rgba

        picture = to_rgba(images["url"]).copy()
        alpha = np.where(picture[:, :, 3] > params.threshold, np.uint8(255), np.uint8(0))
        # One large square gives the same result as `n_iter` small ones in turn.
        size = params.n_iter * (params.kernel_size - 1) + 1
        for axis in (0, 1):
            alpha = minimum_filter1d(alpha, size, axis, mode="constant", cval=0 if params.padding else 255)
        picture[:, :, 3] = alpha
        return TaskResult([picture])
