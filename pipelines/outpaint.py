"""Outpainting: what is transparent in a picture, or beyond its edges, is painted by a prompt."""

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

LONGEST_SIDE = 8192


class NothingToPaintError(ValueError):
    """The picture has neither transparent pixels nor paddings."""

    code = "bad_input"


class CanvasTooLargeError(ValueError):
    """The picture and its paddings are longer than a picture may be."""

    code = "bad_input"


class OutpaintParams(PaintParams):
    url: ImageRef = Field(
        description="The picture; what is transparent in it is painted. It may be opaque if there are paddings."
    )
    left: int = Field(0, ge=0, le=LONGEST_SIDE, description="Pixels to add and paint at the left edge.")
    right: int = Field(0, ge=0, le=LONGEST_SIDE, description="Pixels to add and paint at the right edge.")
    top: int = Field(0, ge=0, le=LONGEST_SIDE, description="Pixels to add and paint at the upper edge.")
    bottom: int = Field(0, ge=0, le=LONGEST_SIDE, description="Pixels to add and paint at the lower edge.")


class Outpaint(Pipeline[OutpaintParams]):
    names = ("txt2img.sd.outpainting", "img2img.outpainting", "scene-generation")
    title = "Outpainting"
    Params = OutpaintParams

    def needs(self, params: OutpaintParams) -> tuple[AnyModelRef, ...]:
        return (params.checkpoint_ref, *params.extra_models)

    def work(self, params: OutpaintParams) -> Work:
        return params.painting

    def resolve(self, params: OutpaintParams) -> OutpaintParams:
        return params.with_seed()

    def run(self, params: OutpaintParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.masks import filled

        canvas = _canvas(params, images["url"])
        absence = 255 - canvas[:, :, 3]
        if absence.max() <= params.threshold:
            raise NothingToPaintError(
                "url: the picture is opaque, so there is nothing to paint; send one that is transparent where it is to "
                "be painted, or say by left, right, top or bottom how many pixels to add"
            )
        mask = params.mask_of(absence)
        checkpoint = params.load_checkpoint(models, images)
        return TaskResult((yield from paint(params, checkpoint, filled(canvas[:, :, :3], mask), mask)))


def _canvas(params: OutpaintParams, picture: np.ndarray) -> np.ndarray:
    """The picture [height, width, 4] with its paddings, which are transparent."""
    import numpy as np

    sides = (params.top, params.bottom), (params.left, params.right)
    height, width = (length + sum(pair) for length, pair in zip(picture.shape[:2], sides, strict=True))
    if max(width, height) > LONGEST_SIDE:
        raise CanvasTooLargeError(
            f"the picture with its paddings is {width}×{height}; {LONGEST_SIDE} is the longest side, add less to it"
        )
    if picture.shape[2] == 3:
        picture = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    return np.pad(picture, (*sides, (0, 0)))
