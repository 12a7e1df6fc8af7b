"""Inpainting: repaint what a mask marks in a picture, from a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipelines.params.image_refs import ImageRef
from pipelines.params.picture_size import PictureSizeParams
from pipelines.pipeline import Models, Recipe, TaskResult, Work
from pipelines.recipes.image_generation import ImageGeneration
from pipelines.recipes.masked_generation import MaskedGenerationParams, generate_masked

if TYPE_CHECKING:
    import numpy as np


class InpaintParams(PictureSizeParams, MaskedGenerationParams):
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

        size = images["url"].shape[1], images["url"].shape[0]
        picture = params.resized(images["url"])
        marked = params.binary_mask(images["mask_url"])
        mask = params.resized_mask(resize_mask(marked, *size))
        checkpoint = params.load_checkpoint(models, images)
        return TaskResult((yield from generate_masked(params, checkpoint, picture, mask)))
