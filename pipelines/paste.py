"""Lay one picture over another, moved, rotated and scaled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.params.affine_transform import AffineTransformParams
from pipelines.params.image_refs import ImageRef
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation

if TYPE_CHECKING:
    import numpy as np


class PasteParams(AffineTransformParams):
    bg_url: ImageRef
    force_rgb: bool = Field(False, description="Flatten the background onto white first, if it is transparent.")
    return_mask: bool = Field(
        False, description="Return a second image: a mask of the pasted picture, white where it is opaque."
    )


class Paste(ImageOperation[PasteParams]):
    names = ("pipeline.paste",)
    title = "Paste"
    Params = PasteParams
    result_shape = "composite"

    def apply(self, params: PasteParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        import numpy as np
        from PIL import Image

        from models.imaging.affine import warp
        from models.imaging.pixels import flatten_alpha, to_rgba

        background = flatten_alpha(images["bg_url"])[0] if params.force_rgb else images["bg_url"]
        height, width = background.shape[:2]
        overlay = warp(to_rgba(images["url"]), params.matrix, width, height, params.resampling, params.wh_limit)
        composite = Image.alpha_composite(Image.fromarray(to_rgba(background)), Image.fromarray(overlay))
        result = np.asarray(composite)[:, :, : background.shape[2]]
        return TaskResult([result, np.dstack([overlay[:, :, 3]] * 3)] if params.return_mask else [result])
