"""ControlNet with the older of two sets of parameters: `control.canny` and so on, and `control.multi`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Self, TypeVar

from pydantic import Field, model_validator

from pipelines.params.control import HINTS, AnnotatorParams, ControlStrength, Hint, refuse_empty_interval
from pipelines.params.image_refs import ImageRef, OptionalImage
from pipelines.params.limits import Fraction
from pipelines.pipeline import Models, Recipe, TaskResult, Work
from pipelines.recipes.control_guidance import ControlSpec
from pipelines.recipes.control_maps import draw_control_maps
from pipelines.recipes.controlled_generation import ControlledGeneration, ControlledParams, generate_controlled

if TYPE_CHECKING:
    import numpy as np

UNSUPPORTED_PARAMS: Mapping[str, object] = {"use_latent_guidance": False, "reference_fidelity": 0.0}
"""Parameters of that API that have no effect here, with the only value that is accepted."""


class ControlTaskParams(ControlledParams):
    """The parameters that the task types of this module share."""

    url: ImageRef = Field(description="The picture. The result has its size.")
    hint_url: OptionalImage = Field(
        None,
        description="The image that the map is drawn from, or the finished map (bypass_annotator). Default: `url`. "
        "It must have the aspect ratio of `url` and is scaled to its size.",
    )
    fidelity: float = Field(
        0.05, ge=0, le=1, description="How closely the result follows `url`. Used if use_img2img is true."
    )
    use_img2img: bool = Field(True, description="Start from `url`. false: start from noise alone.")
    bypass_annotator: bool = Field(False, description="The hint is a finished map already.")
    guess_mode: bool = Field(False, description="The network guesses what the map shows; the prompt matters less.")
    control_strength: ControlStrength = Field(1.0, description="How strongly the map is followed.")
    hint_starts: dict[Hint, Fraction] = Field(
        {}, description="By hint: the fraction of the steps after which its map is followed."
    )
    hint_ends: dict[Hint, Fraction] = Field(
        {}, description="By hint: the fraction of the steps until which its map is followed."
    )
    no_switch: bool = Field(False, description="Accepted for old clients and ignored.")
    use_latent_guidance: bool = Field(False, description="Not supported. Only false is accepted.")
    reference_fidelity: Fraction = Field(0.0, description="Not supported. Only 0 is accepted.")

    @model_validator(mode="after")
    def _check_control(self) -> Self:
        for name, default in UNSUPPORTED_PARAMS.items():
            if getattr(self, name) != default:
                raise ValueError(f"{name} is not supported by this server; leave it out")
        for hint in {*self.hint_starts, *self.hint_ends}:
            start, end = self.interval(hint)
            refuse_empty_interval(f"hint_starts.{hint}", start, f"hint_ends.{hint}", end)
        return self

    def interval(self, hint: Hint) -> tuple[float, float]:
        """The fractions of the steps between which the map is followed."""
        return self.hint_starts.get(hint, 0.0), self.hint_ends.get(hint, 1.0)

    def control_spec(self, hint: Hint, annotator_params: AnnotatorParams, bypass: bool) -> ControlSpec:
        """The map of kind `hint`; `bypass`: its image is a finished map."""
        start, end = self.interval(hint)
        return ControlSpec(
            hint,
            "url" if self.hint_url is None else "hint_url",
            None if bypass else hint,
            annotator_params,
            strength=self.control_strength,
            start=start,
            end=end,
            guess=self.guess_mode,
        )


class ControlParams(AnnotatorParams, ControlTaskParams):
    """The parameters for one map."""


class HintParams(AnnotatorParams):
    """The parameters of one of several maps."""

    hint_url: OptionalImage = Field(
        None, description="The image that this map is drawn from. Default: the task's hint_url, or url."
    )
    control_strength: ControlStrength = Field(1.0, description="How strongly this map is followed.")
    bypass_annotator: bool | None = Field(
        None, description="The hint is a finished map already. null: as bypass_annotator of the task."
    )


class ControlMultiParams(ControlTaskParams):
    types: tuple[Hint, ...] = Field(
        min_length=1,
        max_length=4,
        fail_fast=True,
        description="The maps to follow, each at most once.",
        examples=[["canny", "depth"]],
    )
    canny_params: HintParams | None = None
    depth_params: HintParams | None = None
    pose_params: HintParams | None = None
    mlsd_params: HintParams | None = None
    softedge_params: HintParams | None = None
    lineart_params: HintParams | None = None
    scribble_params: HintParams | None = None
    tile_params: HintParams | None = None
    normal_params: HintParams | None = None
    qr_params: HintParams | None = None
    brightness_params: HintParams | None = None

    @model_validator(mode="after")
    def _check_types(self) -> Self:
        if len(set(self.types)) < len(self.types):
            raise ValueError("types names a hint twice; name each hint at most once")
        for hint in HINTS:
            if self.hint_params(hint) is not None and hint not in self.types:
                raise ValueError(f"{hint}_params is set, but types does not name {hint}; add it there, or leave it out")
        return self

    def hint_params(self, hint: Hint) -> HintParams | None:
        """The parameters that are set for one map alone."""
        params: HintParams | None = getattr(self, f"{hint}_params")
        return params

    def control_spec_of(self, hint: Hint) -> ControlSpec:
        """The map of kind `hint`, with its own parameters in place of the task's."""
        own = self.hint_params(hint) or HintParams(control_strength=self.control_strength)
        bypass = self.bypass_annotator if own.bypass_annotator is None else own.bypass_annotator
        spec = replace(self.control_spec(hint, own, bypass), strength=own.control_strength)
        return spec if own.hint_url is None else replace(spec, image=f"{hint}_params.hint_url")


P = TypeVar("P", bound=ControlTaskParams)


class ControlPipeline(ControlledGeneration[P]):
    """Generates images that follow control maps, from a picture or from noise alone."""

    def work(self, params: P) -> Work:
        steps = params.num_steps * (1 - params.fidelity if params.use_img2img else 1)
        fraction = params.compute_fraction
        return Work(params.max_wh**2, params.num_samples, max(round(steps), 1), fraction, is_upper_bound=True)

    def run(self, params: P, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        picture = images["url"]
        size = picture.shape[1], picture.shape[0]
        maps = draw_control_maps(self.control_specs(params), params.checkpoint, models, images, size)
        checkpoint = params.load_checkpoint(models, images)
        fidelity = params.fidelity if params.use_img2img else None
        return TaskResult((yield from generate_controlled(params, checkpoint, picture, maps, fidelity)), maps.maps)


class ControlTask(ControlPipeline[ControlParams]):
    """Follows one map of the kind that the task type is named after."""

    Params = ControlParams

    def __init__(self, hint: Hint) -> None:
        self.hint = hint
        self.names = (f"control.{hint}",)
        self.title = f"Image guided by {HINTS[hint]}"

    def control_specs(self, params: ControlParams) -> tuple[ControlSpec, ...]:
        return (params.control_spec(self.hint, params, params.bypass_annotator),)


class ControlMulti(ControlPipeline[ControlMultiParams]):
    names = ("control.multi",)
    title = "Image guided by several maps"
    Params = ControlMultiParams

    def control_specs(self, params: ControlMultiParams) -> tuple[ControlSpec, ...]:
        return tuple(params.control_spec_of(hint) for hint in params.types)


TASKS = (*(ControlTask(hint) for hint in HINTS), ControlMulti())
