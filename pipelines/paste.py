"""Lay one picture over another, moved, turned and scaled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.params.image_refs import ImageRef
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import Filter, ImageOperation, SourceImageParams

if TYPE_CHECKING:
    import numpy as np

    from models.imaging.affine import Matrix


class Placed(SourceImageParams):
    """An affine map, as on a canvas: a pixel at (x, y) goes to (a·x + c·y + e, b·x + d·y + f)."""

    a: float = Field(ge=-1e4, le=1e4, allow_inf_nan=False, description="Horizontal scale, cosine of a turn.")
    b: float = Field(ge=-1e4, le=1e4, allow_inf_nan=False, description="Sine of a turn; how far x moves down.")
    c: float = Field(ge=-1e4, le=1e4, allow_inf_nan=False, description="How far y moves to the right.")
    d: float = Field(ge=-1e4, le=1e4, allow_inf_nan=False, description="Vertical scale.")
    e: float = Field(ge=-1e5, le=1e5, allow_inf_nan=False, description="Pixels to the right.")
    f: float = Field(ge=-1e5, le=1e5, allow_inf_nan=False, description="Pixels down.")
    wh_limit: int = Field(16384, ge=1, le=16384, description="Longest side to which the picture may be enlarged.")
    resampling: Filter = Field("bilinear", description="How the picture is resized.")

    @property
    def matrix(self) -> Matrix:
        from models.imaging.affine import Matrix

        return Matrix(self.a, self.b, self.c, self.d, self.e, self.f)


class PasteParams(Placed):
    bg_url: ImageRef
    force_rgb: bool = Field(False, description="Lay the ground on white first, if it has transparency.")
    return_mask: bool = Field(False, description="Answer, as a second image, where and how densely it was pasted.")


class Paste(ImageOperation[PasteParams]):
    names = ("pipeline.paste",)
    title = "Paste"
    Params = PasteParams
    result_shape = "composite"

    def made(self, params: PasteParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        import numpy as np
        from PIL import Image

        from models.imaging.affine import warped
        from models.imaging.pixels import flattened, opaque

        ground = flattened(images["bg_url"])[0] if params.force_rgb else images["bg_url"]
        height, width = ground.shape[:2]
        placed = warped(opaque(images["url"]), params.matrix, width, height, params.resampling, params.wh_limit)
        merged = Image.alpha_composite(Image.fromarray(opaque(ground)), Image.fromarray(placed))
        result = np.asarray(merged)[:, :, : ground.shape[2]]
        return TaskResult([result, np.dstack([placed[:, :, 3]] * 3)] if params.return_mask else [result])
