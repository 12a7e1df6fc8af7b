"""Stickers: cut out each thing of a picture, with a border around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import AliasChoices, Field, StringConstraints

from models.kinds.kind import AnyModelRef, ModelRef
from models.kinds.matting import MATTING
from pipelines.params.image_refs import ImageRef
from pipelines.params.limits import CallbackUrl, Fraction
from pipelines.pipeline import Models, Params, Pipeline, Recipe, TaskResult, Work

if TYPE_CHECKING:
    import numpy as np

Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]
EQUIVALENT_STEPS = 4
"""Steps of guided Stable Diffusion at 512×512 that cost about as much as a matting network at 1024×1024."""


class StickersParams(Params):
    url: ImageRef = Field(
        validation_alias=AliasChoices("url", "image_url"),
        description="The picture. What is transparent is ground; in an opaque picture the matting model finds it.",
    )
    model: str = Field("matting", max_length=64, description="A model of family `matting` that GET /v1/models lists.")
    border: int = Field(8, ge=0, le=128, description="Width, in pixels, of the border around each thing. 0: none.")
    colour: Colour = Field("#ffffff", description="Colour of the border, #rrggbb.")
    min_area: Fraction = Field(0.002, description="Leave out things that cover less of the picture.")
    count: int = Field(16, ge=1, le=16, description="The most stickers to return, the largest first.")
    callback_url: CallbackUrl = ""


class Stickers(Pipeline[StickersParams]):
    names = ("img2img.stickers",)
    title = "Stickers"
    Params = StickersParams
    families = frozenset({"matting"})

    def needs(self, params: StickersParams) -> tuple[AnyModelRef, ...]:
        return (ModelRef(MATTING, params.model),)

    def work(self, params: StickersParams) -> Work:
        return Work(pixels=512 * 512, images=1, steps=EQUIVALENT_STEPS)

    def run(self, params: StickersParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.pixels import flatten_alpha
        from models.imaging.stickers import cut_stickers

        picture = images["url"]
        rgb, alpha = flatten_alpha(picture)
        yield []
        if alpha is None or bool((alpha == 255).all()):
            alpha = models.get(ModelRef(MATTING, params.model)).alpha(rgb)
        red, green, blue = bytes.fromhex(params.colour[1:])
        return TaskResult(
            cut_stickers(
                picture[:, :, :3],
                alpha,
                border=params.border,
                colour=(red, green, blue),
                least_share=params.min_area,
                most=params.count,
            )
        )
