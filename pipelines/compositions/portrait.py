"""Portrait to anime: repaint a portrait in one of twelve styles; its lines are kept by a control map."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import AliasChoices, Field, model_validator

from models.catalog.style import read_styles
from models.kinds.captioner import CAPTIONER
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.faces import FACE
from models.kinds.ip_adapter import FACE_HINT, IP_ADAPTER
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.params.control import AnnotatorParams, ControlStrength, Hint
from pipelines.params.image import ImageParams, refuse_odd_size
from pipelines.params.image_refs import ImageRef
from pipelines.params.ip_adapter import IPAdapterInfo
from pipelines.params.limits import Fraction
from pipelines.params.prompts import Prompt
from pipelines.pipeline import Models, Recipe, Steps, TaskResult, Work
from pipelines.recipes.captioning import DEFAULT_CAPTIONER, caption, with_gender
from pipelines.recipes.control_guidance import ControlSpec, control_models, first_available
from pipelines.recipes.control_maps import draw_control_maps
from pipelines.recipes.controlled_generation import generate_controlled
from pipelines.recipes.image_generation import ImageGeneration
from pipelines.recipes.native_size import SIZE, with_native_size
from pipelines.recipes.optional_parts import OptionalPartsParams

if TYPE_CHECKING:
    import numpy as np

    from models.catalog.catalog import Catalog
    from models.vision.face_detector import Face

STYLES = read_styles(Path(__file__).with_name("portrait_styles.yaml"))
ANIME, CAPTION, CONTROL, FIND_FACE, KEEP_FACE = "anime", "caption", "control", "face", "keep_face"
"""The parts of the task that it can do without."""
CAPTIONER_REF, FACE_REF = ModelRef(CAPTIONER, DEFAULT_CAPTIONER), ModelRef(FACE, "face")
FACE_CROP = 1.5
"""Side of the square around a face that acts as a prompt, in sides of the face."""
NO_FACE = "no face was found in url; it was cropped around its middle, and the face was not kept"


class PortraitParams(ImageParams, OptionalPartsParams):
    url: ImageRef = Field(validation_alias=AliasChoices("url", "image_url"), description="A portrait.")
    style: str = Field(
        "Cute_style",
        max_length=128,
        description=f"{', '.join(STYLES)}, or the id of a style of the operator. Its words go around `text`, and the "
        "stored task has them as `text`. Empty: none.",
        examples=list(STYLES),
    )
    text: Prompt = Field("", max_length=20_000, description="More words for the prompt.", examples=["red hair"])
    is_anime: bool = Field(
        True, description="Use the model `anime`, if there is one. The default is false if `model` is set."
    )
    keep_face: bool = Field(
        True,
        description="Let the face act as a prompt, through an IP-Adapter for faces. Without effect with ip_adapter.",
    )
    face_adapter: str = Field(
        "",
        max_length=64,
        description="The IP-Adapter that keeps the face, by name. Empty: one with the hint `face` for the checkpoint.",
    )
    face_scale: Fraction = Field(0.6, description="How strongly the face acts.")
    w: int = Field(512, ge=64, le=1024, description=f"Width {SIZE}")
    h: int = Field(512, ge=64, le=1024, description=f"Height {SIZE}")
    fidelity: float = Field(0.2, ge=0, le=1, description="How closely the result follows the colours of the portrait.")
    num_steps: int = Field(25, ge=5, le=100, description="Number of denoising steps.")
    hints: tuple[Hint, ...] = Field(
        ("lineart", "softedge", "canny"),
        max_length=9,
        fail_fast=True,
        description="Kinds of control maps. The first one that this server has a ControlNet for keeps the lines of the "
        "portrait. Empty: none.",
    )
    control_strength: ControlStrength = Field(0.7, description="How strongly the map is followed.")
    guess_mode: bool = Field(False, description="The network guesses what the map shows; the prompt matters less.")
    control_end: Fraction = Field(0.8, description="The fraction of the steps until which the map is followed.")

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        refuse_odd_size("w", self.w, self.max_wh)
        refuse_odd_size("h", self.h, self.max_wh)
        return self

    @property
    def keeps_face(self) -> bool:
        return self.keep_face and self.ip_adapter is None and not self.leaves_out(KEEP_FACE)

    @property
    def face_adapter_ref(self) -> AnyModelRef:
        if self.face_adapter:
            return ModelRef(IP_ADAPTER, self.face_adapter)
        return ModelRef(IP_ADAPTER, FACE_HINT, base=self.checkpoint)

    @property
    def control_specs(self) -> tuple[ControlSpec, ...]:
        """The map to follow; none if there is no ControlNet for any."""
        hints = () if self.leaves_out(CONTROL) or not self.control_end else self.hints[:1]
        return tuple(
            ControlSpec(
                hint,
                "url",
                hint,
                AnnotatorParams(),
                strength=self.control_strength,
                end=self.control_end,
                guess=self.guess_mode,
            )
            for hint in hints
        )


class Portrait(ImageGeneration[PortraitParams]):
    """Answers `{left_out}`."""

    names = ("img2img.portrait",)
    title = "Portrait to anime"
    Params = PortraitParams
    style_param = "style"
    own_styles = STYLES

    def needs(self, params: PortraitParams) -> tuple[AnyModelRef, ...]:
        controls = control_models(params.checkpoint, params.control_specs)
        wanted = (ref for refs in self.wants(params).values() for ref in refs)
        adapter = (params.face_adapter_ref,) if params.keeps_face else ()
        return (*super().needs(params), *controls, *dict.fromkeys((*wanted, *adapter)))

    def wants(self, params: PortraitParams) -> Mapping[str, tuple[AnyModelRef, ...]]:
        parts: dict[str, tuple[AnyModelRef, ...]] = {CAPTION: (CAPTIONER_REF,), FIND_FACE: (FACE_REF,)}
        if params.keeps_face:
            # An adapter that the caller names is no wish: the task is refused without it.
            parts[KEEP_FACE] = (FACE_REF,) if params.face_adapter else (FACE_REF, params.face_adapter_ref)
        return {part: refs for part, refs in parts.items() if not params.leaves_out(part)}

    def resolve_names(self, params: PortraitParams, catalog: Catalog) -> PortraitParams:
        params = _with_checkpoint(params, catalog)
        params = self.without_missing(with_native_size(params, params.checkpoint_ref, catalog), catalog)
        if params.keeps_face:
            params = params.model_copy(update={"face_adapter": catalog.find(params.face_adapter_ref).name})
        return super().resolve_names(_with_first_hint(params, catalog), catalog)

    def work(self, params: PortraitParams) -> Work:
        steps = max(round(params.num_steps * (1 - params.fidelity)), 1)
        return Work(params.w * params.h, params.num_samples, steps, params.compute_fraction)

    def run(self, params: PortraitParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.face_crops import crop_square
        from models.imaging.pixels import crop_center, flatten_alpha, resize

        portrait, _ = flatten_alpha(images["url"])
        face = yield from _largest_face(params, models, portrait)
        centre = None if face is None else face.centre
        picture = resize(crop_center(portrait, params.w, params.h, centre), params.w, params.h)
        if not params.leaves_out(CAPTION):
            description = yield from caption(models.get(CAPTIONER_REF), picture)
            text = with_gender(", ".join(filter(None, (params.text, description))), description)
            params = params.model_copy(update={"text": text})
        images = {**images, "url": picture}
        if face is not None and params.keeps_face:
            images["ip_adapter.url"] = crop_square(portrait, face.square(FACE_CROP))
            params = params.model_copy(update={"ip_adapter": _face_prompt(params)})
        checkpoint = params.load_checkpoint(models, images)
        maps = draw_control_maps(params.control_specs, params.checkpoint, models, images, (params.w, params.h))
        painted = yield from generate_controlled(params, checkpoint, picture, maps, params.fidelity)
        missed = face is None and not params.leaves_out(FIND_FACE)
        return TaskResult(painted, answer=params.answer, warnings=[NO_FACE] if missed else [])


def _largest_face(params: PortraitParams, models: Models, portrait: np.ndarray) -> Steps[Face | None]:
    """None if there is no face, or nothing that finds one."""
    if params.leaves_out(FIND_FACE):
        return None
    yield []
    return next(iter(models.get(FACE_REF).find(portrait)), None)


def _face_prompt(params: PortraitParams) -> IPAdapterInfo:
    return IPAdapterInfo(url=ImageRef("url"), model=params.face_adapter, scale=params.face_scale)


def _with_checkpoint(params: PortraitParams, catalog: Catalog) -> PortraitParams:
    """`params` with the model `anime` by its name, if it is to be used and there is one."""
    by_default = "is_anime" not in params.model_fields_set
    if not params.is_anime or params.model.startswith(ANIME) or (by_default and "model" in params.model_fields_set):
        return params.model_copy(update={"is_anime": False})
    if not params.leaves_out(ANIME) and catalog.has((ModelRef(CHECKPOINT, ANIME),)):
        return params.model_copy(update={"is_anime": False, "model": ANIME})
    left_out = tuple(dict.fromkeys((*params.left_out, ANIME)))
    return params.model_copy(update={"is_anime": False, "left_out": left_out})


def _with_first_hint(params: PortraitParams, catalog: Catalog) -> PortraitParams:
    """`params` with the first hint that the catalog has the models for, and no other."""
    if not params.hints or params.leaves_out(CONTROL):
        return params
    hint = first_available(params.hints, params.checkpoint, catalog)
    left_out = params.left_out if hint else (*params.left_out, CONTROL)
    return params.model_copy(update={"left_out": left_out, "hints": (hint,) if hint else params.hints})
