"""Cut the faces out of a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from models.kinds.faces import FACE
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.params.image_refs import ImageRef
from pipelines.params.limits import CallbackUrl, DetectorName, NoFaceError
from pipelines.pipeline import Models, Params, Pipeline, Recipe, TaskResult, Work

if TYPE_CHECKING:
    import numpy as np


class CropFacesParams(Params):
    url: ImageRef
    model: DetectorName = "face"
    count: int = Field(1, ge=1, le=8, description="The most faces to cut out, the largest first.")
    scale: float = Field(
        1.5, ge=1, le=4, description="Side of the squares, in longer sides of the face. The picture's edges cut them."
    )
    callback_url: CallbackUrl = ""


class CropFaces(Pipeline[CropFacesParams]):
    names = ("cv.crop_faces",)
    title = "Crop faces"
    Params = CropFacesParams
    families = frozenset({"face"})

    def needs(self, params: CropFacesParams) -> tuple[AnyModelRef, ...]:
        return (ModelRef(FACE, params.model),)

    def work(self, params: CropFacesParams) -> Work:
        return Work(pixels=512 * 512, images=params.count, steps=1)

    def run(self, params: CropFacesParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.face_crops import crop_square
        from models.imaging.pixels import flatten_alpha

        detector, picture = models.get(ModelRef(FACE, params.model)), images["url"]
        yield []
        found = detector.find(flatten_alpha(picture)[0])[: params.count]
        if not found:
            raise NoFaceError("url")
        return TaskResult([crop_square(picture, face.square(params.scale)) for face in found])
