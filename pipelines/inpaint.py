"""Inpainting: what a mask marks in a picture is painted anew by a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from models.kinds.kind import AnyModelRef
from pipelines.params.image_refs import ImageRef
from pipelines.pipeline import Models, Pipeline, Recipe, TaskResult, Work
from pipelines.recipes.masked_generation import PaintParams, paint

if TYPE_CHECKING:
    import numpy as np


class InpaintParams(PaintParams):
    url: ImageRef
    mask_url: ImageRef = Field(
        description="What to paint, as an image given like `url`: all that is not wholly transparent if the mask has "
        "an alpha channel, else what is white. A mask of another size is stretched to the picture's."
    )


class Inpaint(Pipeline[InpaintParams]):
    names = ("txt2img.sd.inpainting",)
    title = "Inpainting"
    Params = InpaintParams

    def needs(self, params: InpaintParams) -> tuple[AnyModelRef, ...]:
        return (params.checkpoint_ref, *params.extra_models)

    def work(self, params: InpaintParams) -> Work:
        return params.painting

    def resolve(self, params: InpaintParams) -> InpaintParams:
        return params.with_seed()

    def run(self, params: InpaintParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.masks import fitted, marked

        picture = images["url"]
        mask = fitted(params.mask_of(marked(images["mask_url"])), picture.shape[1], picture.shape[0])
        checkpoint = params.load_checkpoint(models, images)
        return TaskResult((yield from paint(params, checkpoint, picture, mask)))
