"""Super-resolution: enlarge a picture with a net that knows what detail looks like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import AliasChoices, Field, model_validator

from models.kinds.kind import AnyModelRef, ModelRef
from models.kinds.upscaler import UPSCALER
from pipelines.params.image_refs import ImageRef
from pipelines.pipeline import Models, Params, Pipeline, Recipe, TaskResult, Work

if TYPE_CHECKING:
    import numpy as np

LONGEST_SOURCE = 2048
LONGEST_RESULT = 8192
USUAL_SOURCE = 512
"""Longest side of a source that is not known yet, when a task is priced."""
STEPS_WORTH = 6
"""Steps of guided Stable Diffusion that cost as much as Real-ESRGAN does for a source of the same size."""


class UpscaleTooLargeError(ValueError):
    """The picture, or what is to be made of it, has too many pixels."""

    code = "bad_input"


class UpscaleParams(Params):
    url: ImageRef
    is_anime: bool = Field(False, description="Use the model `esr_anime`, unless `model` names one.")
    model: str = Field(
        "",
        max_length=64,
        validation_alias=AliasChoices("model", "version"),
        description="A model of family `upscaler` that GET /v1/models lists; `esr` if empty. Also called `version`.",
    )
    scale: Literal[2, 3, 4] | None = Field(None, description="How many times larger; what the model does, if not said.")
    target_w: int = Field(0, ge=0, le=LONGEST_RESULT, description="Width of the result; 0 follows target_h, or scale.")
    target_h: int = Field(0, ge=0, le=LONGEST_RESULT, description="Height of the result; 0 follows target_w, or scale.")
    max_wh: int | None = Field(
        None,
        ge=16,
        le=LONGEST_SOURCE,
        description="Shrink the source to this longest side first. Not given, it is enlarged as it is, "
        f"and refused above {LONGEST_SOURCE}×{LONGEST_SOURCE} pixels.",
    )
    callback_url: str = Field("", max_length=2048, description="Kept for old clients; the envelope's notify_url wins.")

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if self.scale is not None and (self.target_w or self.target_h):
            raise ValueError("scale and target_w or target_h are two ways to say one thing; leave one of them out")
        return self

    @property
    def upscaler(self) -> str:
        """The name of the model that this task runs on."""
        return self.model or ("esr_anime" if self.is_anime else "esr")

    def target(self, width: int, height: int) -> tuple[int, int] | None:
        """Width and height of the result for a picture of this shape; None if neither was asked for."""
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
        return Work(pixels=(params.max_wh or USUAL_SOURCE) ** 2, images=1, steps=STEPS_WORTH)

    def resolve(self, params: UpscaleParams) -> UpscaleParams:
        return params.model_copy(update={"model": params.upscaler})

    def run(self, params: UpscaleParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.pixels import fitted, with_alpha

        upscaler = models.get(ModelRef(UPSCALER, params.upscaler))
        picture = images["url"]
        source = _source(picture, params.max_wh)
        height, width = source.shape[:2]
        scale = params.scale or upscaler.scale
        size = params.target(picture.shape[1], picture.shape[0]) or (width * scale, height * scale)
        advice = "ask for a smaller one, or say with max_wh to which longest side the picture is to be shrunk first"
        for made in (size, (width * upscaler.scale, height * upscaler.scale)):
            _refuse_too_large("the result", made, LONGEST_RESULT, advice)

        rgb = source[:, :, :3]
        canvas = upscaler.canvas(rgb)
        for _ in upscaler.enlarge(rgb, canvas):
            yield []
        enlarged = fitted(canvas, *size)
        return TaskResult([with_alpha(enlarged, source[:, :, 3]) if source.shape[2] == 4 else enlarged])


def _source(picture: np.ndarray, longest: int | None) -> np.ndarray:
    """The picture as it is, or shrunk so that no side is above `longest`. Raises TooLargeError."""
    from models.imaging.pixels import shrunk

    height, width = picture.shape[:2]
    if longest is None:
        advice = "send a smaller one, or say with max_wh to which longest side it is to be shrunk first"
        _refuse_too_large("the picture", (width, height), LONGEST_SOURCE, advice)
        return picture
    return shrunk(picture, longest)


def _refuse_too_large(what: str, size: tuple[int, int], side: int, advice: str) -> None:
    width, height = size
    if width * height > side * side:
        raise UpscaleTooLargeError(
            f"{what} is {width}×{height}, and {side * side} pixels ({side}×{side}) are the most; {advice}"
        )
