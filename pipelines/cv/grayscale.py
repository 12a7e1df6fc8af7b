"""Convert a picture to greyscale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipelines.params.image_operation import SourceImageParams
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation

if TYPE_CHECKING:
    import numpy as np


class Grayscale(ImageOperation[SourceImageParams]):
    names = ("cv.grayscale",)
    title = "Grayscale"
    Params = SourceImageParams

    def apply(self, params: SourceImageParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        import numpy as np
        from PIL import Image

        picture = images["url"]
        grey = np.asarray(Image.fromarray(picture[:, :, :3]).convert("L"))
        return TaskResult([np.dstack([grey, grey, grey, picture[:, :, 3:]])])
