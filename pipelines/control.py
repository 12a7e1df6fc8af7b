"""ControlNet, in the words of the older of the two APIs for it: `control.canny` and its like, and `control.multi`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import AliasChoices, Field, model_validator

from models.kinds.kind import AnyModelRef
from pipelines.params.image import ImageParams
from pipelines.params.image_refs import ImageRef, OptionalImage
from pipelines.pipeline import USE_AUDIT, Models, Pipeline, Recipe, TaskResult, Work
from pipelines.recipes.control_guidance import (
    HINTS,
    DrawParams,
    Guide,
    Hint,
    Share,
    Strength,
    followed,
    needs,
    prefer_base_model,
    refuse_empty_span,
)
from pipelines.recipes.controlled_generation import painted, repainted

if TYPE_CHECKING:
    import numpy as np

NOT_OFFERED: Mapping[str, object] = {"use_latent_guidance": False, "reference_fidelity": 0.0}


class GuidedParams(ImageParams):
    """What all tasks of this API have in common."""

    url: ImageRef = Field(description="The picture, given by URL, data: URI, base64 or id; the result has its size.")
    hint_url: OptionalImage = Field(
        None,
        description="What the map is drawn of, or the map itself (bypass_annotator); not given: `url`. Stretched to "
        "the size of `url` if it has its shape, refused if not.",
    )
    text: str = Field(
        max_length=20_000,
        validation_alias=AliasChoices("text", "prompt"),
        description="The prompt, as in txt2img.sd. `prompt` is accepted as well.",
        examples=["a red house on the grass"],
    )
    model: str = Field(
        "v1.5",
        validation_alias=AliasChoices("model", "base_model", "version"),
        description="A name or alias that GET /v1/models lists. `base_model` and `version` are accepted as well.",
    )
    fidelity: float = Field(0.05, ge=0, le=1, description="Closeness to `url`, if use_img2img.")
    use_img2img: bool = Field(True, description="Start from `url`; false: from noise alone, guided by the map.")
    bypass_annotator: bool = Field(False, description="The hint is a finished map already.")
    guess_mode: bool = Field(False, description="Let the net guess what the map shows; the prompt matters less.")
    control_strength: Strength = Field(1.0, description="How strongly the map is followed.")
    hint_starts: dict[Hint, Share] = Field({}, description="By hint: share of the steps after which it is followed.")
    hint_ends: dict[Hint, Share] = Field({}, description="By hint: share of the steps up to which it is followed.")
    no_switch: bool = Field(False, description="Accepted for old clients; has no bearing.")
    use_audit: bool = Field(False, description=USE_AUDIT)
    use_latent_guidance: bool = Field(False, description="Not offered; false only.")
    reference_fidelity: float = Field(0.0, description="Not offered; 0 only.")

    @model_validator(mode="before")
    @classmethod
    def _prefer_base_model(cls, values: Any) -> Any:
        return prefer_base_model(values)

    @model_validator(mode="after")
    def _check_offer(self) -> Self:
        for name, default in NOT_OFFERED.items():
            if getattr(self, name) != default:
                raise ValueError(f"{name} is not offered by this server; leave it out")
        for hint in {*self.hint_starts, *self.hint_ends}:
            start, end = self.times(hint)
            refuse_empty_span(f"hint_starts.{hint}", start, f"hint_ends.{hint}", end)
        return self

    def times(self, hint: Hint) -> tuple[float, float]:
        return self.hint_starts.get(hint, 0.0), self.hint_ends.get(hint, 1.0)

    def guide(self, hint: Hint, draw: DrawParams, bypass: bool) -> Guide:
        start, end = self.times(hint)
        return Guide(
            hint,
            "url" if self.hint_url is None else "hint_url",
            None if bypass else hint,
            draw,
            strength=self.control_strength,
            start=start,
            end=end,
            guess=self.guess_mode,
        )


class ControlParams(DrawParams, GuidedParams):
    """One map, drawn as these parameters say."""


class HintParams(DrawParams):
    """One of several maps."""

    hint_url: OptionalImage = Field(None, description="What this map is drawn of; not given: as the task says.")
    control_strength: Strength = Field(1.0, description="How strongly this map is followed.")
    bypass_annotator: bool | None = Field(None, description="This map is finished already; null: as the task says.")


class ControlMultiParams(GuidedParams):
    types: tuple[Hint, ...] = Field(
        min_length=1, max_length=4, description="The maps to follow, each at most once.", examples=[["canny", "depth"]]
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

    @model_validator(mode="after")
    def _check_types(self) -> Self:
        if len(set(self.types)) < len(self.types):
            raise ValueError("types names a hint twice; name each at most once")
        for hint in HINTS:
            if self.of(hint) is not None and hint not in self.types:
                raise ValueError(
                    f"{hint}_params is given, but types does not name {hint}; add it there, or leave it out"
                )
        return self

    def of(self, hint: Hint) -> HintParams | None:
        """What is said of one map alone."""
        said: HintParams | None = getattr(self, f"{hint}_params")
        return said

    def guide_of(self, hint: Hint) -> Guide:
        said = self.of(hint) or HintParams(control_strength=self.control_strength)
        bypass = self.bypass_annotator if said.bypass_annotator is None else said.bypass_annotator
        guide = replace(self.guide(hint, said, bypass), strength=said.control_strength)
        return guide if said.hint_url is None else replace(guide, image=f"{hint}_params.hint_url")


G = TypeVar("G", bound=GuidedParams)


class ControlPipeline(Pipeline[G]):
    """A picture painted anew, or painted over, so that it follows maps."""

    audited = "on_request"
    result_shape = "control"

    @abstractmethod
    def guides(self, params: G) -> tuple[Guide, ...]:
        """The maps to follow."""

    def needs(self, params: G) -> tuple[AnyModelRef, ...]:
        return (params.checkpoint_ref, *needs(params.checkpoint, self.guides(params)), *params.extra_models)

    def work(self, params: G) -> Work:
        steps = params.num_steps * (1 - params.fidelity if params.use_img2img else 1)
        return Work(params.max_wh**2, params.num_samples, max(round(steps), 1), params.share, bound=True)

    def resolve(self, params: G) -> G:
        return params.with_seed()

    def run(self, params: G, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.pixels import flattened, resized, snapped, within

        picture, _ = flattened(images["url"])
        asked = picture.shape[1], picture.shape[0]
        size = snapped(*asked, params.max_wh)
        checkpoint = params.load_checkpoint(models, images)
        guided = followed(self.guides(params), params.checkpoint, models, images, asked)
        if params.use_img2img:
            made = yield from repainted(
                params, checkpoint, resized(picture, *size), params.fidelity, guided.controls(*size)
            )
        else:
            made = yield from painted(params, checkpoint, *size, guided.controls(*size))
        return TaskResult([resized(each, *within(*asked, params.max_wh)) for each in made], guided.maps)


class ControlTask(ControlPipeline[ControlParams]):
    """Guided by one map of the kind that the task is named by."""

    Params = ControlParams

    def __init__(self, hint: Hint) -> None:
        self.hint = hint
        self.names = (f"control.{hint}",)
        self.title = f"Image guided by {HINTS[hint]}"

    def guides(self, params: ControlParams) -> tuple[Guide, ...]:
        return (params.guide(self.hint, params, params.bypass_annotator),)


class ControlMulti(ControlPipeline[ControlMultiParams]):
    names = ("control.multi",)
    title = "Image guided by several maps"
    Params = ControlMultiParams

    def guides(self, params: ControlMultiParams) -> tuple[Guide, ...]:
        return tuple(params.guide_of(hint) for hint in params.types)


TASKS = (*(ControlTask(hint) for hint in HINTS), ControlMulti())
