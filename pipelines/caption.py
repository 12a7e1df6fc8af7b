"""Say in words what is in a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import AliasChoices, Field

from models.kinds.captioner import CAPTIONER
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.params.image_refs import ImageRef
from pipelines.pipeline import Models, Params, Pipeline, Recipe, Steps, TaskResult, Work

if TYPE_CHECKING:
    import numpy as np

    from models.language.captioner import Captioner

DEFAULT_CAPTIONER = "captioner"
"""The name of the captioner to use if a task names none."""


class CaptionParams(Params):
    url: ImageRef
    model: str = Field(
        DEFAULT_CAPTIONER,
        max_length=64,
        validation_alias=AliasChoices("model", "version"),
        description="A model of family `captioner` that GET /v1/models lists. Also called `version`.",
    )
    max_wh: int = Field(1024, ge=64, le=8192, description="Shrink the picture to this longest side first.")
    callback_url: str = Field("", max_length=2048, description="Kept for old clients; the envelope's notify_url wins.")


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
        from models.imaging.pixels import flattened, shrunk

        picture, _ = flattened(shrunk(images["url"], params.max_wh))
        return TaskResult(
            answer={"text": (yield from described(models.get(ModelRef(CAPTIONER, params.model)), picture))}
        )


def described(captioner: Captioner, picture: np.ndarray) -> Steps[str]:
    """The caption of RGB pixels [height, width, 3]; others step between its words."""
    tokens = []
    for token in captioner.tokens(picture):
        tokens.append(token)
        yield []
    return captioner.text(tokens)
