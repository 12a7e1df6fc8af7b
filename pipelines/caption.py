"""Describe a picture in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import AliasChoices, Field

from models.kinds.captioner import CAPTIONER
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.params.image_refs import ImageRef
from pipelines.params.limits import CallbackUrl, GeneratedSide
from pipelines.pipeline import Models, Params, Pipeline, Recipe, TaskResult, Work
from pipelines.recipes.captioning import DEFAULT_CAPTIONER, caption

if TYPE_CHECKING:
    import numpy as np


class CaptionParams(Params):
    url: ImageRef
    model: str = Field(
        DEFAULT_CAPTIONER,
        max_length=64,
        validation_alias=AliasChoices("model", "version"),
        description="A model of family `captioner` that GET /v1/models lists. Also accepted as `version`.",
    )
    max_wh: GeneratedSide = Field(1024, description="Shrink the picture to this longest side first, in pixels.")
    callback_url: CallbackUrl = ""


class Caption(Pipeline[CaptionParams]):
    """Answers `{text}`."""

    names = ("img2txt.caption",)
    title = "Caption"
    Params = CaptionParams
    families = frozenset({"captioner"})
    answers = ("a house",)

    def needs(self, params: CaptionParams) -> tuple[AnyModelRef, ...]:
        return (ModelRef(CAPTIONER, params.model),)

    def work(self, params: CaptionParams) -> Work:
        return Work(pixels=512 * 512, images=1, steps=1)

    def run(self, params: CaptionParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.pixels import flatten_alpha, shrink

        picture, _ = flatten_alpha(shrink(images["url"], params.max_wh))
        text = yield from caption(models.get(ModelRef(CAPTIONER, params.model)), picture)
        return TaskResult(answer={"text": text})
