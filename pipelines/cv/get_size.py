"""Return the size of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipelines.params.image_operation import SourceImageParams
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation

if TYPE_CHECKING:
    import numpy as np


class GetSize(ImageOperation[SourceImageParams]):
    """Answers `{size: [width, height]}`."""

    names = ("cv.get_size",)
    title = "Size of a picture"
    Params = SourceImageParams
    answers = (1, 1)

    def apply(self, params: SourceImageParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        height, width = images["url"].shape[:2]
        return TaskResult(answer={"size": [width, height]})
