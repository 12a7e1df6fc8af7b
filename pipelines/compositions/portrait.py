"""Portrait to anime: repaint a portrait in one of twelve styles; its lines are kept by a control map."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import AliasChoices, Field, model_validator

from models.catalog.style import read_styles
from models.kinds.captioner import CAPTIONER
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.params.control import AnnotatorParams, ControlStrength, Hint
from pipelines.params.image import ImageParams, refuse_odd_size
from pipelines.params.image_refs import ImageRef
from pipelines.params.limits import Fraction
from pipelines.params.prompts import Prompt
from pipelines.pipeline import Models, Recipe, TaskResult, Work
from pipelines.recipes.captioning import DEFAULT_CAPTIONER, caption, with_gender
from pipelines.recipes.control_guidance import ControlSpec, control_models, draw_control_maps, first_available
from pipelines.recipes.controlled_generation import generate_controlled
from pipelines.recipes.image_generation import ImageGeneration
from pipelines.recipes.optional_parts import OptionalPartsParams

if TYPE_CHECKING:
    import numpy as np

    from models.catalog.catalog import Catalog

STYLES = read_styles(Path(__file__).with_name("portrait_styles.yaml"))
ANIME, CAPTION, CONTROL = "anime", "caption", "control"
"""The parts of the task that it can do without."""
CAPTIONER_REF = ModelRef(CAPTIONER, DEFAULT_CAPTIONER)


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
    w: int = Field(512, ge=64, le=1024, description="Width, in pixels, a multiple of 8.")
    h: int = Field(512, ge=64, le=1024, description="Height, in pixels, a multiple of 8.")
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
        described = () if params.leaves_out(CAPTION) else (CAPTIONER_REF,)
        return (*super().needs(params), *controls, *described)

    def wants(self, params: PortraitParams) -> Mapping[str, tuple[AnyModelRef, ...]]:
        return {} if params.leaves_out(CAPTION) else {CAPTION: (CAPTIONER_REF,)}

    def resolve_names(self, params: PortraitParams, catalog: Catalog) -> PortraitParams:
        return super().resolve_names(_with_first_hint(_with_checkpoint(params, catalog), catalog), catalog)

    def work(self, params: PortraitParams) -> Work:
        steps = max(round(params.num_steps * (1 - params.fidelity)), 1)
        return Work(params.w * params.h, params.num_samples, steps, params.compute_fraction)

    def run(self, params: PortraitParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.pixels import flatten_alpha
        from models.imaging.resize_modes import resize_to

        portrait, _ = flatten_alpha(images["url"])
        picture = resize_to(portrait, params.w, params.h, "cover")
        if not params.leaves_out(CAPTION):
            description = yield from caption(models.get(CAPTIONER_REF), picture)
            text = with_gender(", ".join(filter(None, (params.text, description))), description)
            params = params.model_copy(update={"text": text})
        images = {**images, "url": picture}
        checkpoint = params.load_checkpoint(models, images)
        maps = draw_control_maps(params.control_specs, params.checkpoint, models, images, (params.w, params.h))
        painted = yield from generate_controlled(params, checkpoint, picture, maps, params.fidelity)
        return TaskResult(painted, answer=params.answer)


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
