"""Invert the colours and the alpha of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipelines.params.image_operation import SourceImageParams
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation

if TYPE_CHECKING:
    import numpy as np


class Inverse(ImageOperation[SourceImageParams]):
    names = ("cv.inverse",)
    title = "Inverse"
    Params = SourceImageParams

    def apply(self, params: SourceImageParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        return TaskResult([255 - images["url"]])
