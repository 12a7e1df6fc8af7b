"""Control maps alone: the maps that `control.canny` and so on would follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from models.kinds.kind import AnyModelRef
from pipelines.params.control import DEFAULT_RESOLUTION, HINTS, AnnotatorParams, Hint
from pipelines.params.image_refs import ImageRef
from pipelines.params.limits import CallbackUrl
from pipelines.pipeline import Models, Params, Pipeline, Recipe, TaskResult, Work
from pipelines.recipes.control_guidance import ControlSpec, annotator_models

if TYPE_CHECKING:
    import numpy as np


class ControlHintParams(AnnotatorParams, Params):
    url: ImageRef
    binarize_threshold: int | None = Field(
        None, ge=0, le=255, description="Make the map black and white: levels above this are white."
    )
    callback_url: CallbackUrl = ""


class ControlHint(Pipeline[ControlHintParams]):
    """Draws a map of one kind, as large as the picture."""

    Params = ControlHintParams
    result_shape = "control"

    def __init__(self, hint: Hint) -> None:
        self.hint = hint
        self.names = (f"control.{hint}_hint",)
        self.title = f"Control map of {HINTS[hint]}"

    def needs(self, params: ControlHintParams) -> tuple[AnyModelRef, ...]:
        return annotator_models(self.hint)

    def work(self, params: ControlHintParams) -> Work:
        return Work(pixels=(params.detect_resolution or DEFAULT_RESOLUTION) ** 2, images=1, steps=1)

    def run(self, params: ControlHintParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        spec = ControlSpec(self.hint, "url", self.hint, params, binarize_threshold=params.binarize_threshold)
        yield []
        return TaskResult([spec.draw(models, images)])


TASKS = tuple(ControlHint(hint) for hint in HINTS)
