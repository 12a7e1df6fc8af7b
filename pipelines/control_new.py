"""ControlNet with the newer of two sets of parameters: `control_new.canny` and so on, and `control_new.multi`.

Text to image, image to image or inpainting, depending on which images are sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Self, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelRef
from pipelines.params.control import (
    HINTS,
    Hint,
)
from pipelines.params.image import refuse_odd_size
from pipelines.params.image_refs import OptionalImage
from pipelines.params.picture_size import PICTURE_SIZE
from pipelines.params.prompts import Prompt
from pipelines.params.second_pass import SecondPassParams
from pipelines.pipeline import Models, Recipe, TaskResult, Work
from pipelines.recipes.control_guidance import ControlSpec, refuse_different_shape
from pipelines.recipes.control_maps import draw_control_maps
from pipelines.recipes.controlled_generation import ControlledGeneration, ControlledParams, generate_controlled
from pipelines.recipes.hint_data import HintData
from pipelines.recipes.masked_generation import MaskedPictureParams, generate_masked
from pipelines.recipes.two_passes import generate_in_two_passes

if TYPE_CHECKING:
    import numpy as np

    from models.diffusion.checkpoint import Checkpoint

HintOrModel = Annotated[str, StringConstraints(pattern=r"^[^/\\\x00-\x1f\x7f]{1,128}$")]
"""A kind of map, or the name of a model."""


class ControlNewTaskParams(ControlledParams, MaskedPictureParams, SecondPassParams):
    """The parameters that the task types of this module share."""

    url: OptionalImage = Field(None, description="The picture to start from. Default: start from noise alone.")
    mask_url: OptionalImage = Field(
        None, description="The mask of what to repaint in `url`, as in txt2img.sd.inpainting."
    )
    text: Prompt = Field(
        "",
        max_length=20_000,
        validation_alias=AliasChoices("text", "prompt"),
        description="The prompt, as in txt2img.sd. Also accepted as `prompt`.",
    )
    fidelity: float = Field(0.05, ge=0, le=0.99, description="How closely the result follows `url`, if that is set.")
    use_inpainting: bool = Field(False, description="With a mask: use the inpainting model of `model`.")

    @model_validator(mode="after")
    def _check_mask(self) -> Self:
        if self.mask_url is not None and self.url is None:
            raise ValueError("mask_url marks what to repaint in `url`, but url is missing; add it")
        return self

    @model_validator(mode="after")
    def _check_passes(self) -> Self:
        if self.highres_info is None:
            return self
        if self.url is not None:
            raise ValueError("highres_info refines images that start from noise; leave url or highres_info out")
        if self.wh == PICTURE_SIZE:
            raise ValueError("highres_info needs the size of the first pass; set wh")
        for side in self.wh:
            refuse_odd_size("a side of wh", side, self.max_wh)
        return self

    @property
    def start_noise(self) -> float:
        return 1.0 if self.url is None else self.noise_multiplier

    @property
    def first_size(self) -> tuple[int, int]:
        return self.wh

    @property
    def checkpoint_ref(self) -> ModelRef[Checkpoint]:
        inpainting = self.mask_url is not None and self.use_inpainting and not self.use_raw_inpainting
        return ModelRef(CHECKPOINT, self.checkpoint, inpainting=inpainting)

    def spec_of(self, data: HintData, hint: str, path: str = "") -> ControlSpec:
        """The map of `data`, whose own images are at `path`, for the ControlNet `hint`."""
        mode = None if self.wh == PICTURE_SIZE else data.hint_resize_mode or self.mode_of_pixels
        region = None if data.region_url is None else f"{path}region_url"
        image = "url" if data.hint_url is None else f"{path}hint_url"
        return replace(data.control_spec(hint, image), resize_mode=mode, region=region)

    def refuse_without_image(self, data: HintData, path: str = "") -> None:
        """Raises ValueError unless there is an image that the map of `data` can be drawn from."""
        if data.hint_url is None and self.url is None:
            raise ValueError(f"{path}hint_url is missing, and so is url, which would be used instead; add one of them")


class ControlNewParams(HintData, ControlNewTaskParams):
    """The parameters for one map."""

    @model_validator(mode="after")
    def _check_hint(self) -> Self:
        self.refuse_without_image(self)
        return self


class ControlChoice(BaseModel):
    """One of several maps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: HintOrModel = Field(
        description=f"{', '.join(HINTS)}, or the name of a ControlNet that GET /v1/models lists.", examples=["canny"]
    )
    data: HintData = HintData()


class ControlNewMultiParams(ControlNewTaskParams):
    controls: tuple[ControlChoice, ...] = Field(
        min_length=1, max_length=4, fail_fast=True, description="The maps to follow."
    )

    @model_validator(mode="after")
    def _check_hints(self) -> Self:
        for index, choice in enumerate(self.controls):
            self.refuse_without_image(choice.data, _path(index))
        return self


P = TypeVar("P", bound=ControlNewTaskParams)


class ControlNewPipeline(ControlledGeneration[P]):
    """Generates images that follow control maps, from noise, from a picture, or inside a mask."""

    def has_mask(self, params: P) -> bool:
        return params.mask_url is not None

    def work(self, params: P) -> Work:
        if params.highres_info is not None:
            (width, height), last = params.size, params.second_pass
            return Work(width * height, params.num_samples, last.num_steps, last.compute_fraction)
        fraction = params.compute_fraction
        work = Work(params.max_wh**2, params.num_samples, params.num_steps, fraction, is_upper_bound=True)
        if params.url is not None:
            work = params.generation_work
        if params.wh == PICTURE_SIZE:
            return work
        width, height = (min(side, params.max_wh) for side in params.wh)
        return replace(work, pixels=width * height, is_upper_bound=False)

    def run(self, params: P, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        specs, checkpoint = self.control_specs(params), params.load_checkpoint(models, images)
        mask = None if params.mask_url is None else _mask(params, images)
        original = images[specs[0].image if params.url is None else "url"]
        picture = params.resized(original)
        maps = draw_control_maps(specs, params.checkpoint, models, images, (picture.shape[1], picture.shape[0]))
        if mask is not None:
            pair = params.masked_source(original, mask)
            generated = generate_masked(params, checkpoint, picture, params.resized_mask(mask), maps.inputs, pair)
        elif params.highres_info is not None:
            controls = maps.inputs_of_passes(params.first_size, params.size)
            generated = generate_in_two_passes(params, params.highres_info, checkpoint, models, images, *controls)
        else:
            fidelity = None if params.url is None else params.fidelity
            source = None if params.url is None else params.latent_source(original)
            generated = generate_controlled(params, checkpoint, picture, maps, fidelity, source)
        return TaskResult((yield from generated), maps.maps)


class ControlNew(ControlNewPipeline[ControlNewParams]):
    """Follows one map of the kind that the task type is named after."""

    Params = ControlNewParams

    def __init__(self, hint: Hint) -> None:
        self.hint = hint
        self.names = (f"control_new.{hint}",)
        self.title = f"Image guided by {HINTS[hint]}, with or without a picture"

    def control_specs(self, params: ControlNewParams) -> tuple[ControlSpec, ...]:
        return (params.spec_of(params, self.hint),)


class ControlNewMulti(ControlNewPipeline[ControlNewMultiParams]):
    names = ("control_new.multi",)
    title = "Image guided by several maps, with or without a picture"
    Params = ControlNewMultiParams

    def control_specs(self, params: ControlNewMultiParams) -> tuple[ControlSpec, ...]:
        return tuple(
            params.spec_of(choice.data, choice.type, _path(index)) for index, choice in enumerate(params.controls)
        )


def _path(index: int) -> str:
    """Where the params of one of several maps are in those of the task."""
    return f"controls.{index}.data."


def _mask(params: ControlNewTaskParams, images: Mapping[str, np.ndarray]) -> np.ndarray:
    """What to repaint, bool [height, width] of the picture's size. Raises SizeMismatchError, EmptyMaskError."""
    from models.imaging.masks import resize_mask

    height, width = images["url"].shape[:2]
    refuse_different_shape("mask_url", images["mask_url"], (width, height))
    return resize_mask(params.binary_mask(images["mask_url"]), width, height)


TASKS = (*(ControlNew(hint) for hint in HINTS), ControlNewMulti())
