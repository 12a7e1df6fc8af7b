"""Give a picture the colours of another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.params.image_operation import SourceImageParams
from pipelines.params.image_refs import ImageRef
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation

if TYPE_CHECKING:
    import numpy as np


class HistMatchParams(SourceImageParams):
    bg_url: ImageRef
    use_hsv: bool = Field(False, description="Match hue, saturation and value instead of red, green and blue.")
    strength: float = Field(1.0, ge=0, le=1, description="0 leaves the picture unchanged, 1 matches fully.")


class HistMatch(ImageOperation[HistMatchParams]):
    names = ("cv.hist_match",)
    title = "Match the histogram"
    Params = HistMatchParams

    def apply(self, params: HistMatchParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        """Transparent parts show the background picture, stretched to the size of the result."""
        import numpy as np
        from PIL import Image

        from models.imaging.histogram import match_histogram
        from models.imaging.pixels import flatten_alpha, resize, to_rgba

        picture, background = images["url"], flatten_alpha(images["bg_url"])[0]
        alpha = to_rgba(picture)[:, :, 3:]
        space = "HSV" if params.use_hsv else "RGB"
        colours, background_colours = (
            np.asarray(Image.fromarray(each[:, :, :3]).convert(space)) for each in (picture, background)
        )
        visible = alpha[:, :, 0] > 0
        shifted = match_histogram(colours, background_colours, visible) if visible.any() else colours
        adjusted = np.asarray(Image.fromarray(shifted, space).convert("RGB"), np.float32)
        mixed = picture[:, :, :3] + (adjusted - picture[:, :, :3]) * params.strength
        behind = resize(background, picture.shape[1], picture.shape[0])
        blended = (mixed * alpha + behind * (255.0 - alpha)) / 255
        return TaskResult([np.rint(blended).astype(np.uint8)])
