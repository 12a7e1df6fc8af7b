"""Inpainting: repaint what a mask marks in a picture, from a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.params.image_refs import ImageRef
from pipelines.pipeline import Models, Recipe, TaskResult, Work
from pipelines.recipes.image_generation import ImageGeneration
from pipelines.recipes.masked_generation import MaskedPictureParams, generate_masked

if TYPE_CHECKING:
    import numpy as np


class InpaintParams(MaskedPictureParams):
    url: ImageRef
    mask_url: ImageRef = Field(
        description="The mask of what to repaint. If it has transparent pixels: all pixels that are not fully "
        "transparent. Otherwise: the white pixels. A mask of another size is stretched to the size of the picture."
    )


class Inpaint(ImageGeneration[InpaintParams]):
    names = ("txt2img.sd.inpainting",)
    title = "Inpainting"
    Params = InpaintParams

    def has_mask(self, params: InpaintParams) -> bool:
        return True

    def work(self, params: InpaintParams) -> Work:
        return params.generation_work

    def run(self, params: InpaintParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.masks import resize_mask

        picture, marked = images["url"], params.binary_mask(images["mask_url"])
        checkpoint = params.load_checkpoint(models, images)
        resized, mask = params.resized(picture), resize_mask(marked, picture.shape[1], picture.shape[0])
        source = params.masked_source(picture, mask)
        generated = generate_masked(params, checkpoint, resized, params.resized_mask(mask), source=source)
        return TaskResult((yield from generated))
