"""Outpainting: paint the transparent parts of a picture, and beyond its edges, from a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from pipelines.params.image_refs import ImageRef
from pipelines.params.limits import LONGEST_SIDE, TooLargeError
from pipelines.pipeline import Models, Recipe, TaskResult, Work
from pipelines.recipes.image_generation import ImageGeneration
from pipelines.recipes.masked_generation import MaskedGenerationParams, generate_masked

if TYPE_CHECKING:
    import numpy as np

Padding = Annotated[int, Field(ge=0, le=LONGEST_SIDE)]


class NothingToPaintError(ValueError):
    """The picture has no transparent pixels and no padding."""

    code = "bad_input"


class OutpaintParams(MaskedGenerationParams):
    url: ImageRef = Field(
        description="The picture. Its transparent parts are painted. It may be opaque if there is padding."
    )
    left: Padding = Field(0, description="Pixels to add and paint at the left edge.")
    right: Padding = Field(0, description="Pixels to add and paint at the right edge.")
    top: Padding = Field(0, description="Pixels to add and paint at the upper edge.")
    bottom: Padding = Field(0, description="Pixels to add and paint at the lower edge.")

    @model_validator(mode="after")
    def _check_padding(self) -> Self:
        _refuse_large_canvas(self, 1, 1)
        return self


class Outpaint(ImageGeneration[OutpaintParams]):
    names = ("txt2img.sd.outpainting", "img2img.outpainting", "scene-generation")
    title = "Outpainting"
    Params = OutpaintParams

    def has_mask(self, params: OutpaintParams) -> bool:
        return True

    def work(self, params: OutpaintParams) -> Work:
        return params.generation_work

    def run(self, params: OutpaintParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.masks import fill_nearest

        canvas = _padded(params, images["url"])
        transparency = 255 - canvas[:, :, 3]
        if transparency.max() <= params.mask_threshold:
            raise NothingToPaintError(
                "url: the picture is opaque, so there is nothing to paint; send a picture with transparent parts, or "
                "set left, right, top or bottom to the number of pixels to add"
            )
        mask = params.mask_of_levels(transparency)
        checkpoint = params.load_checkpoint(models, images)
        return TaskResult((yield from generate_masked(params, checkpoint, fill_nearest(canvas[:, :, :3], mask), mask)))


def _padded(params: OutpaintParams, picture: np.ndarray) -> np.ndarray:
    """The picture, uint8 [height, width, 4], with transparent padding. Raises TooLargeError."""
    import numpy as np

    from models.imaging.pixels import to_rgba

    _refuse_large_canvas(params, picture.shape[1], picture.shape[0])
    return np.pad(to_rgba(picture), ((params.top, params.bottom), (params.left, params.right), (0, 0)))


def _refuse_large_canvas(params: OutpaintParams, width: int, height: int) -> None:
    """Raises TooLargeError if a picture of `width` × `height` is too large with its padding."""
    size = width + params.left + params.right, height + params.top + params.bottom
    if max(size) > LONGEST_SIDE:
        raise TooLargeError(
            f"a picture of {width}×{height} with its padding is {size[0]}×{size[1]}; the longest side may be "
            f"{LONGEST_SIDE}; lower left, right, top or bottom"
        )
