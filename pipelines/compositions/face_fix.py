"""Repair the faces in a picture, by a net for faces or by painting them again."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Self

from pydantic import AliasChoices, Field, ValidationError, model_validator

from models.kinds import CHECKPOINT_FAMILIES, families_of
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.faces import FACE, FACE_FIX
from models.kinds.kind import AnyModelRef, ModelRef
from models.pydantic_errors import first_sentence
from pipelines.img2img import Img2Img, Img2ImgParams
from pipelines.params.image_refs import ImageRef
from pipelines.params.limits import SEEDS, CallbackUrl, DetectorName, Fraction
from pipelines.params.prompts import NegativePrompt, Prompt
from pipelines.pipeline import Models, Params, Pipeline, Recipe, Steps, TaskResult, Work
from pipelines.recipes.concurrent import run_concurrently

if TYPE_CHECKING:
    import numpy as np

    from models.catalog.catalog import Catalog
    from models.vision.face_detector import Face

CROP_SCALE = 1.5
"""Side of a crop, in longer sides of the face: some hair and neck belong to it."""
LEAST_FACE = 32
"""Smaller faces stay as they are: there is too little to go by. In pixels."""
MOST_FACES = 16
RESTORED_SIDE = 512
"""What nets for faces take, in pixels."""
EQUIVALENT_STEPS = 6
"""Steps of guided Stable Diffusion at 512×512 that cost about as much as GFPGAN does for one face."""
PAINTER = Img2Img()


class FaceFixParams(Params):
    url: ImageRef
    method: Literal["auto", "restore", "repaint"] = Field(
        "auto",
        description="`restore`: by a model of family `face_fix`. `repaint`: by a checkpoint, as img2img.sd does. "
        "`auto`: as the model can; without a model, `restore` if there is one for it, else `repaint`.",
    )
    model: str = Field(
        "",
        max_length=64,
        validation_alias=AliasChoices("model", "version"),
        description="A model of family `face_fix`, or a checkpoint. Empty: the default one. Also accepted "
        "as `version`.",
    )
    detector: DetectorName = "face"
    strength: Fraction = Field(1.0, description="Opacity of the repaired faces over the picture's own, 0 to 1.")
    text: Prompt = Field("a detailed face", max_length=20_000, description="The prompt of `repaint`.")
    negative_prompt: NegativePrompt = Field("", max_length=20_000, description="What repainted faces should not show.")
    fidelity: Fraction = Field(0.6, description="How closely `repaint` follows the picture, 0 to 1.")
    num_steps: int = Field(20, ge=1, le=150, description="Steps of `repaint` from pure noise.")
    side: int = Field(
        512, ge=64, le=1024, multiple_of=8, description="Side at which `repaint` paints a face, in pixels."
    )
    seed: int = Field(-1, ge=-1, lt=SEEDS, description="Of `repaint`. -1 draws a random seed.")
    callback_url: CallbackUrl = ""

    @model_validator(mode="after")
    def _check_painting(self) -> Self:
        try:
            self.painting  # noqa: B018
        except ValidationError as error:
            raise ValueError(first_sentence(error)) from error
        return self

    @property
    def painting(self) -> Img2ImgParams:
        """How `repaint` paints one face."""
        return Img2ImgParams(
            url=self.url,
            text=self.text,
            negative_prompt=self.negative_prompt,
            model=self.model,
            fidelity=self.fidelity,
            num_steps=self.num_steps,
            seed=max(self.seed, 0),
            wh=(self.side, self.side),
        )


class FaceFix(Pipeline[FaceFixParams]):
    """Each face of 32 pixels or more is cut out, repaired at a size of its own, and put back with a soft edge."""

    names = ("img2img.face_fix",)
    title = "Repair faces"
    Params = FaceFixParams
    families = CHECKPOINT_FAMILIES | families_of(FACE_FIX)

    def needs(self, params: FaceFixParams) -> tuple[AnyModelRef, ...]:
        detector = ModelRef(FACE, params.detector)
        if params.method == "repaint":
            return (*PAINTER.needs(params.painting), detector)
        return (ModelRef(FACE_FIX, params.model or "face_fix"), detector)

    def work(self, params: FaceFixParams) -> Work:
        if params.method == "repaint":
            return replace(PAINTER.work(params.painting), is_upper_bound=False)
        return Work(pixels=RESTORED_SIDE**2, images=1, steps=EQUIVALENT_STEPS)

    def resolve_names(self, params: FaceFixParams, catalog: Catalog) -> FaceFixParams:
        if params.method == "auto":
            params = params.model_copy(update={"method": _method(params.model, catalog)})
        if params.method == "repaint":
            painting = PAINTER.resolve_names(params.painting, catalog)
            params = params.model_copy(update={"model": painting.model})
        resolved = super().resolve_names(params, catalog)
        return (
            resolved
            if resolved.model
            else resolved.model_copy(update={"model": catalog.find(self.needs(resolved)[0]).name})
        )

    def resolve(self, params: FaceFixParams) -> FaceFixParams:
        return params if params.seed >= 0 else params.model_copy(update={"seed": secrets.randbelow(SEEDS)})

    def run(self, params: FaceFixParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.face_crops import crop_padded, paste_square
        from models.imaging.pixels import flatten_alpha, resize

        picture = images["url"]
        rgb, _ = flatten_alpha(picture)
        yield []
        faces = _large_faces(models.get(ModelRef(FACE, params.detector)).find(rgb))
        squares = [face.square(CROP_SCALE) for face in faces]
        crops = [crop_padded(rgb, square) for square in squares]
        repaired = yield from (_repainted if params.method == "repaint" else _restored)(params, models, crops)
        for square, content in zip(squares, repaired, strict=True):
            side = square.right - square.left
            picture = paste_square(picture, square, resize(content, side, side), params.strength)
        return TaskResult([picture])


def _method(model: str, catalog: Catalog) -> Literal["restore", "repaint"]:
    """What the named model can do; without a name, what there is a model for. Raises UnknownModelError."""
    restorers = families_of(FACE_FIX)
    if model:
        ref = ModelRef(FACE_FIX, model) if model in FACE_FIX.default_names else ModelRef(CHECKPOINT, model)
        return "restore" if catalog.find(ref).family in restorers else "repaint"
    return "restore" if any(entry.family in restorers for entry in catalog) else "repaint"


def _large_faces(faces: Sequence[Face]) -> list[Face]:
    return [face for face in faces if min(face.width, face.height) >= LEAST_FACE][:MOST_FACES]


def _restored(params: FaceFixParams, models: Models, crops: Sequence[np.ndarray]) -> Steps[list[np.ndarray]]:
    from models.imaging.pixels import resize

    restorer, restored = models.get(ModelRef(FACE_FIX, params.model or "face_fix")), []
    for crop in crops:
        restored.append(restorer.restore(resize(crop, RESTORED_SIDE, RESTORED_SIDE)))
        yield []
    return restored


def _repainted(params: FaceFixParams, models: Models, crops: Sequence[np.ndarray]) -> Steps[list[np.ndarray]]:
    """All faces at once, so that they share their steps."""
    results = yield from run_concurrently([PAINTER.run(params.painting, models, {"url": crop}) for crop in crops])
    return [result.images[0] for result in results]
