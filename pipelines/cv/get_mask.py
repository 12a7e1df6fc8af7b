"""Extract a mask from a picture: its alpha, or its brightness if it has no alpha."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.params.image_operation import SourceImageParams
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation

if TYPE_CHECKING:
    import numpy as np


class GetMaskParams(SourceImageParams):
    get_inverse: bool = Field(False, description="Invert the mask.")
    binarize_threshold: int | None = Field(
        None, ge=0, le=254, description="Make values above this white and all others black. null: keep the grey levels."
    )


class GetMask(ImageOperation[GetMaskParams]):
    names = ("cv.get_mask",)
    title = "Mask of a picture"
    Params = GetMaskParams

    def apply(self, params: GetMaskParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        import numpy as np
        from PIL import Image

        picture = images["url"]
        mask = picture[:, :, 3] if picture.shape[2] == 4 else np.asarray(Image.fromarray(picture).convert("L"))
        if params.binarize_threshold is not None:
            mask = np.where(mask > params.binarize_threshold, np.uint8(255), np.uint8(0))
        return TaskResult([np.dstack([255 - mask if params.get_inverse else mask] * 3)])
