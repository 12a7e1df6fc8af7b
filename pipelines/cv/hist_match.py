"""Give a picture the colours of another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.params.image_refs import ImageRef
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation, SourceImageParams

if TYPE_CHECKING:
    import numpy as np


class HistMatchParams(SourceImageParams):
    bg_url: ImageRef
    use_hsv: bool = Field(False, description="Match hue, saturation and value instead of red, green and blue.")
    strength: float = Field(1.0, ge=0, le=1, description="0 leaves the picture as it is.")


class HistMatch(ImageOperation[HistMatchParams]):
    names = ("cv.hist_match",)
    title = "Match the histogram"
    Params = HistMatchParams

    def made(self, params: HistMatchParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        """Where the picture is transparent the other one shows, stretched to its size."""
        import numpy as np
        from PIL import Image

        from models.imaging.histogram import matched
        from models.imaging.pixels import flattened, opaque, resized

        picture, model = images["url"], flattened(images["bg_url"])[0]
        there = opaque(picture)[:, :, 3:]
        space = "HSV" if params.use_hsv else "RGB"
        colours, levels = (np.asarray(Image.fromarray(each[:, :, :3]).convert(space)) for each in (picture, model))
        where = there[:, :, 0] > 0
        moved = matched(colours, levels, where) if where.any() else colours
        adjusted = np.asarray(Image.fromarray(moved, space).convert("RGB"), np.float32)
        mixed = picture[:, :, :3] + (adjusted - picture[:, :, :3]) * params.strength
        ground = resized(model, picture.shape[1], picture.shape[0])
        laid = (mixed * there + ground * (255.0 - there)) / 255
        return TaskResult([np.rint(laid).astype(np.uint8)])
