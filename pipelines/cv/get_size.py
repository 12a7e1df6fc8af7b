"""Say how large a picture is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipelines.pipeline import Made
from pipelines.recipes.image_operation import Retouch, Retouched

if TYPE_CHECKING:
    import numpy as np


class GetSize(Retouch[Retouched]):
    """Answers `{size: [width, height]}`."""

    names = ("cv.get_size",)
    title = "Size of a picture"
    Params = Retouched
    answers = (1, 1)

    def made(self, params: Retouched, images: Mapping[str, np.ndarray]) -> Made:
        height, width = images["url"].shape[:2]
        return Made(answer={"size": [width, height]})
