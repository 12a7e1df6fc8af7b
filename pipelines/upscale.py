"""Super-resolution: enlarge a picture with a network that was trained to add detail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AliasChoices, Field, model_validator

from models.kinds.kind import AnyModelRef, ModelRef
from models.kinds.upscaler import UPSCALER
from pipelines.params.image_refs import ImageRef
from pipelines.params.limits import LONGEST_SIDE, CallbackUrl, refuse_too_many_pixels
from pipelines.pipeline import Models, Params, Pipeline, Recipe, TaskResult, Work

if TYPE_CHECKING:
    import numpy as np

LONGEST_SOURCE = 2048
TYPICAL_SOURCE = 512
"""Longest side of a source, in pixels, when a task is priced before its picture is known."""
EQUIVALENT_STEPS = 6
"""Steps of guided Stable Diffusion that cost as much as Real-ESRGAN does for a source of the same size."""

TargetSide = Annotated[int, Field(ge=0, le=LONGEST_SIDE)]


class UpscaleParams(Params):
    url: ImageRef
    is_anime: bool = Field(False, description="Use the model `esr_anime`, unless `model` is set.")
    model: str = Field(
        "",
        max_length=64,
        validation_alias=AliasChoices("model", "version"),
        description="A model of family `upscaler` that GET /v1/models lists. Empty: `esr`. Also accepted as `version`.",
    )
    scale: Literal[2, 3, 4] | None = Field(
        None, description="How many times larger each side becomes. null: as many as the model does."
    )
    target_w: TargetSide = Field(0, description="Width of the result. 0: it follows from target_h, or from scale.")
    target_h: TargetSide = Field(0, description="Height of the result. 0: it follows from target_w, or from scale.")
    max_wh: int | None = Field(
        None,
        ge=16,
        le=LONGEST_SOURCE,
        description="Shrink the picture to this longest side first. null: do not shrink it, and refuse one of "
        "more than "
        f"{LONGEST_SOURCE}×{LONGEST_SOURCE} pixels.",
    )
    callback_url: CallbackUrl = ""

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if self.scale is not None and (self.target_w or self.target_h):
            raise ValueError(
                "scale and target_w or target_h contradict each other; set only scale, or only target_w and target_h"
            )
        return self

    @property
    def upscaler(self) -> str:
        """The name of the upscaler."""
        return self.model or ("esr_anime" if self.is_anime else "esr")

    def target(self, width: int, height: int) -> tuple[int, int] | None:
        """Width and height of the result for a picture of `width` × `height`; None if no target is set."""
        if not (self.target_w or self.target_h):
            return None
        return (
            self.target_w or max(round(width * self.target_h / height), 1),
            self.target_h or max(round(height * self.target_w / width), 1),
        )


class Upscale(Pipeline[UpscaleParams]):
    names = ("img2img.sr",)
    title = "Super-resolution"
    Params = UpscaleParams
    families = frozenset({"upscaler"})
    audited = "never"

    def needs(self, params: UpscaleParams) -> tuple[AnyModelRef, ...]:
        return (ModelRef(UPSCALER, params.upscaler),)

    def work(self, params: UpscaleParams) -> Work:
        return Work(pixels=(params.max_wh or TYPICAL_SOURCE) ** 2, images=1, steps=EQUIVALENT_STEPS)

    def resolve(self, params: UpscaleParams) -> UpscaleParams:
        return params.model_copy(update={"model": params.upscaler})

    def run(self, params: UpscaleParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.masks import fill_nearest
        from models.imaging.pixels import add_alpha, resize_area

        upscaler = models.get(ModelRef(UPSCALER, params.upscaler))
        picture = images["url"]
        source = _source(picture, params.max_wh)
        height, width = source.shape[:2]
        scale = params.scale or upscaler.scale
        size = params.target(picture.shape[1], picture.shape[0]) or (width * scale, height * scale)
        advice = "ask for a smaller result, or set max_wh to shrink the picture first"
        for result_size in (size, (width * upscaler.scale, height * upscaler.scale)):
            refuse_too_many_pixels("the result", result_size, LONGEST_SIDE, advice)

        rgb = source[:, :, :3]
        if source.shape[2] == 4:  # what transparent pixels hide must not show at the rim of the others
            rgb = fill_nearest(rgb, source[:, :, 3] == 0)
        canvas = upscaler.canvas(rgb)
        for _ in upscaler.enlarge(rgb, canvas):
            yield []
        enlarged = resize_area(canvas, *size)
        return TaskResult([add_alpha(enlarged, source[:, :, 3]) if source.shape[2] == 4 else enlarged])


def _source(picture: np.ndarray, longest: int | None) -> np.ndarray:
    """The picture, with no side above `longest` if that is set. Raises TooLargeError if it is not."""
    from models.imaging.pixels import shrink

    height, width = picture.shape[:2]
    if longest is not None:
        return shrink(picture, longest)
    advice = "send a smaller picture, or set max_wh to shrink it first"
    refuse_too_many_pixels("the picture", (width, height), LONGEST_SOURCE, advice)
    return picture
