"""Draw masks of boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from pipelines.params.image_operation import ImageOperationParams, LtRb
from pipelines.params.limits import ImageSide
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation

if TYPE_CHECKING:
    import numpy as np


MAX_PIXELS = 64 << 20


class GenerateMasksParams(ImageOperationParams):
    w: ImageSide
    h: ImageSide
    lt_rb_list: tuple[LtRb, ...] = Field(
        min_length=1, max_length=64, fail_fast=True, description="The boxes, drawn white on black."
    )
    merge: bool = Field(False, description="Draw all boxes in one mask, instead of one mask per box.")

    @model_validator(mode="after")
    def _refuse_too_many_pixels(self) -> Self:
        count = 1 if self.merge else len(self.lt_rb_list)
        if count * self.pixels > MAX_PIXELS:
            raise ValueError(
                f"{count} masks of {self.w}×{self.h} have more than {MAX_PIXELS} pixels together; set merge, or send "
                "fewer boxes"
            )
        return self

    @property
    def pixels(self) -> int:
        return self.w * self.h


class GenerateMasks(ImageOperation[GenerateMasksParams]):
    names = ("cv.generate_masks",)
    title = "Masks of boxes"
    Params = GenerateMasksParams

    def apply(self, params: GenerateMasksParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        import numpy as np

        masks = [np.zeros((params.h, params.w, 3), np.uint8) for _ in params.lt_rb_list[: 1 if params.merge else None]]
        for index, (left, top, right, bottom) in enumerate(params.lt_rb_list):
            mask = masks[0 if params.merge else index]
            mask[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 255
        return TaskResult(masks)
