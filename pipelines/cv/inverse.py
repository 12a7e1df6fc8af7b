"""Turn light into dark and opaque into transparent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipelines.pipeline import Made
from pipelines.recipes.image_operation import Retouch, Retouched

if TYPE_CHECKING:
    import numpy as np


class Inverse(Retouch[Retouched]):
    names = ("cv.inverse",)
    title = "Inverse"
    Params = Retouched

    def made(self, params: Retouched, images: Mapping[str, np.ndarray]) -> Made:
        return Made([255 - images["url"]])
