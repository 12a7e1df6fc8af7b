"""Take the colours out of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipelines.pipeline import Made
from pipelines.recipes.image_operation import Retouch, Retouched

if TYPE_CHECKING:
    import numpy as np


class Grayscale(Retouch[Retouched]):
    names = ("cv.grayscale",)
    title = "Grayscale"
    Params = Retouched

    def made(self, params: Retouched, images: Mapping[str, np.ndarray]) -> Made:
        import numpy as np
        from PIL import Image

        picture = images["url"]
        grey = np.asarray(Image.fromarray(picture[:, :, :3]).convert("L"))
        return Made([np.dstack([grey, grey, grey, picture[:, :, 3:]])])
