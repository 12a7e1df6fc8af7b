"""Find the faces in a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from models.kinds.faces import FACE
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.params.image_refs import ImageRef
from pipelines.params.limits import CallbackUrl, DetectorName, Fraction
from pipelines.pipeline import Models, Params, Pipeline, Recipe, TaskResult, Work

if TYPE_CHECKING:
    import numpy as np

MOST_FACES = 64


class FacesParams(Params):
    url: ImageRef
    model: DetectorName = "face"
    count: int = Field(MOST_FACES, ge=1, le=MOST_FACES, description="The most faces to return, the largest first.")
    min_score: Fraction = Field(0.0, description="Leave out faces of which the detector is less certain, 0 to 1.")
    callback_url: CallbackUrl = ""


class Faces(Pipeline[FacesParams]):
    """Answers `{faces: [[x, y, width, height, score]]}`."""

    names = ("cv.faces",)
    title = "Find faces"
    Params = FacesParams
    families = frozenset({"face"})
    answers = ([0.0, 0.0, 1.0, 1.0, 1.0],) * MOST_FACES

    def needs(self, params: FacesParams) -> tuple[AnyModelRef, ...]:
        return (ModelRef(FACE, params.model),)

    def work(self, params: FacesParams) -> Work:
        return Work(pixels=512 * 512, images=1, steps=1)

    def run(self, params: FacesParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.pixels import flatten_alpha

        detector = models.get(ModelRef(FACE, params.model))
        yield []
        found = detector.find(flatten_alpha(images["url"])[0])
        certain = [face for face in found if face.score >= params.min_score][: params.count]
        return TaskResult(answer={"faces": [face.rounded for face in certain]})
