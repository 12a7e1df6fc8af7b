"""Control maps alone: what `control.canny` and its like would follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from models.kinds.kind import AnyModelRef
from pipelines.params.image_refs import ImageRef
from pipelines.pipeline import Models, Params, Pipeline, Recipe, TaskResult, Work
from pipelines.recipes.control_guidance import HINTS, DrawParams, Guide, Hint, annotators

if TYPE_CHECKING:
    import numpy as np

USUAL_SIDE = 512


class ControlHintParams(DrawParams, Params):
    url: ImageRef
    binarize_threshold: int | None = Field(
        None, ge=0, le=255, description="Make the map black and white: white is what is above this."
    )
    callback_url: str = Field("", max_length=2048, description="Kept for old clients; the envelope's notify_url wins.")


class ControlHint(Pipeline[ControlHintParams]):
    """The map of one kind, as large as the picture."""

    Params = ControlHintParams
    result_shape = "control"

    def __init__(self, hint: Hint) -> None:
        self.hint = hint
        self.names = (f"control.{hint}_hint",)
        self.title = f"Control map of {HINTS[hint]}"

    def needs(self, params: ControlHintParams) -> tuple[AnyModelRef, ...]:
        return annotators(self.hint)

    def work(self, params: ControlHintParams) -> Work:
        return Work(pixels=(params.detect_resolution or USUAL_SIDE) ** 2, images=1, steps=1)

    def run(self, params: ControlHintParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        guide = Guide(self.hint, "url", self.hint, params, binarize=params.binarize_threshold)
        yield []
        return TaskResult([guide.drawn(models, images)])


TASKS = tuple(ControlHint(hint) for hint in HINTS)
