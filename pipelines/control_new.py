"""ControlNet, in the words of the newer of the two APIs for it: `control_new.canny` and its like, and
`control_new.multi`. Text to image, image to image or inpainting, as the images that are given say.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.params.image_refs import OptionalImage
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
    plain_name,
    prefer_base_model,
    refuse_empty_span,
    refuse_other_shape,
)
from pipelines.recipes.controlled_generation import painted, repainted
from pipelines.recipes.masked_generation import PaintParams, paint

if TYPE_CHECKING:
    import numpy as np

    from models.diffusion.checkpoint import Checkpoint

HintName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class HintData(DrawParams):
    """One map, and how it is followed."""

    hint_url: OptionalImage = Field(None, description="What the map is drawn of, or the map itself (bypass_annotator).")
    hint_annotator: HintName | None = Field(None, description="Draw a map of this kind instead of the net's own.")
    hint_binarize_threshold: int | None = Field(
        None, ge=0, le=255, description="Make the map black and white: white is what is above this."
    )
    extra_annotator_params: DrawParams | None = Field(None, description="Wins over what stands beside it.")
    control_strength: Strength = Field(1.0, description="How strongly the map is followed.")
    bypass_annotator: bool = Field(False, description="The hint is a finished map already.")
    guess_mode: bool = Field(False, description="Let the net guess what the map shows; the prompt matters less.")
    hint_start: Share | None = Field(None, description="Share of the steps after which the map is followed; null: 0.")
    hint_end: Share | None = Field(None, description="Share of the steps up to which it is followed; null: 1.")
    no_switch: bool = Field(False, description="Accepted for old clients; has no bearing.")

    @model_validator(mode="after")
    def _check_times(self) -> Self:
        start, end = self.times
        refuse_empty_span("hint_start", start, "hint_end", end)
        return self

    @property
    def times(self) -> tuple[float, float]:
        """Between which shares of the steps the map is followed."""
        return self.hint_start or 0.0, 1.0 if self.hint_end is None else self.hint_end

    def guide(self, hint: str, image: str) -> Guide:
        more = self.extra_annotator_params
        draw = self if more is None else self.model_copy(update=more.model_dump(exclude_unset=True))
        start, end = self.times
        return Guide(
            plain_name(hint),
            image,
            None if self.bypass_annotator else plain_name(self.hint_annotator or hint),
            draw,
            self.hint_binarize_threshold,
            self.control_strength,
            start,
            end,
            self.guess_mode,
        )


class StartParams(PaintParams):
    """What all tasks of this API have in common."""

    url: OptionalImage = Field(None, description="The picture to start from; not given: noise alone.")
    mask_url: OptionalImage = Field(None, description="What to paint of `url`, as in txt2img.sd.inpainting.")
    text: str = Field(
        "",
        max_length=20_000,
        validation_alias=AliasChoices("text", "prompt"),
        description="The prompt, as in txt2img.sd. `prompt` is accepted as well.",
    )
    model: str = Field(
        "v1.5",
        validation_alias=AliasChoices("model", "base_model", "version"),
        description="A name or alias that GET /v1/models lists. `base_model` and `version` are accepted as well.",
    )
    fidelity: float = Field(0.05, ge=0, le=0.99, description="Closeness to `url`, where that is given.")
    use_inpainting: bool = Field(False, description="With a mask: use the inpainting model of `model`.")
    use_audit: bool = Field(False, description=USE_AUDIT)

    @model_validator(mode="before")
    @classmethod
    def _prefer_base_model(cls, values: Any) -> Any:
        return prefer_base_model(values)

    @model_validator(mode="after")
    def _check_start(self) -> Self:
        if self.mask_url is not None and self.url is None:
            raise ValueError("mask_url says what to paint of `url`, which is missing; add it")
        return self

    @property
    def checkpoint_ref(self) -> ModelRef[Checkpoint]:
        masked = self.mask_url is not None and self.use_inpainting and not self.use_raw_inpainting
        return ModelRef(CHECKPOINT, self.checkpoint, inpainting=masked)

    def image_of(self, said: HintData, name: str) -> str:
        """The path of the picture that a map is drawn of; `name` is its own. Raises ValueError if there is none."""
        if said.hint_url is None and self.url is None:
            raise ValueError(f"{name} is missing, and there is no url in its place; add it")
        return "url" if said.hint_url is None else name


class ControlNewParams(HintData, StartParams):
    """One map."""

    @model_validator(mode="after")
    def _check_hint(self) -> Self:
        self.image_of(self, "hint_url")
        return self


class ControlChoice(BaseModel):
    """One of several maps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: HintName = Field(
        description=f"{', '.join(HINTS)}, or the name of a ControlNet that GET /v1/models lists.", examples=["canny"]
    )
    data: HintData = HintData()


class ControlNewMultiParams(StartParams):
    controls: tuple[ControlChoice, ...] = Field(min_length=1, max_length=4, description="The maps to follow.")

    @model_validator(mode="after")
    def _check_hints(self) -> Self:
        for place, choice in enumerate(self.controls):
            self.image_of(choice.data, f"controls.{place}.data.hint_url")
        return self


S = TypeVar("S", bound=StartParams)


class ControlNewPipeline(Pipeline[S]):
    """Whatever is given, painted so that it follows maps."""

    audited = "on_request"
    result_shape = "control"

    @abstractmethod
    def guides(self, params: S) -> tuple[Guide, ...]:
        """The maps to follow."""

    def needs(self, params: S) -> tuple[AnyModelRef, ...]:
        return (params.checkpoint_ref, *needs(params.checkpoint, self.guides(params)), *params.extra_models)

    def work(self, params: S) -> Work:
        whole = Work(params.max_wh**2, params.num_samples, params.num_steps, params.share, bound=True)
        return whole if params.url is None else params.painting

    def resolve(self, params: S) -> S:
        return params.with_seed()

    def run(self, params: S, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.pixels import flattened, resized, snapped, within

        guides, checkpoint = self.guides(params), params.load_checkpoint(models, images)
        first = images["url"] if params.url is not None else images[guides[0].image]
        asked = first.shape[1], first.shape[0]
        size = snapped(*asked, params.max_wh)
        guided = followed(guides, params.checkpoint, models, images, asked)
        if params.mask_url is not None:
            mask = mask_for(params, images)
            return TaskResult((yield from paint(params, checkpoint, first, mask, guided.controls)), guided.maps)
        if params.url is not None:
            picture = resized(flattened(first)[0], *size)
            made = yield from repainted(params, checkpoint, picture, params.fidelity, guided.controls(*size))
        else:
            made = yield from painted(params, checkpoint, *size, guided.controls(*size))
        return TaskResult([resized(each, *within(*asked, params.max_wh)) for each in made], guided.maps)


def mask_for(params: StartParams, images: Mapping[str, np.ndarray]) -> np.ndarray:
    """What to paint of the picture, bool [height, width] as large as it. Raises SizeMismatchError, EmptyMaskError."""
    from models.imaging.masks import fitted, marked

    height, width = images["url"].shape[:2]
    refuse_other_shape("mask_url", images["mask_url"], (width, height))
    return fitted(params.mask_of(marked(images["mask_url"])), width, height)


class ControlNew(ControlNewPipeline[ControlNewParams]):
    """Guided by one map of the kind that the task is named by."""

    Params = ControlNewParams

    def __init__(self, hint: Hint) -> None:
        self.hint = hint
        self.names = (f"control_new.{hint}",)
        self.title = f"Image guided by {HINTS[hint]}, with or without a picture"

    def guides(self, params: ControlNewParams) -> tuple[Guide, ...]:
        return (params.guide(self.hint, params.image_of(params, "hint_url")),)


class ControlNewMulti(ControlNewPipeline[ControlNewMultiParams]):
    names = ("control_new.multi",)
    title = "Image guided by several maps, with or without a picture"
    Params = ControlNewMultiParams

    def guides(self, params: ControlNewMultiParams) -> tuple[Guide, ...]:
        return tuple(
            choice.data.guide(choice.type, params.image_of(choice.data, f"controls.{place}.data.hint_url"))
            for place, choice in enumerate(params.controls)
        )


TASKS = (*(ControlNew(hint) for hint in HINTS), ControlNewMulti())
