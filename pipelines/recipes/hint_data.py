"""The params of one control map of `control_new.…`, and how it is followed."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from pipelines.params.control import (
    AnnotatorParams,
    ControlStrength,
    LayerWeights,
    Pass,
    canonical_hint,
    refuse_empty_interval,
)
from pipelines.params.image_refs import OptionalImage
from pipelines.params.limits import Fraction
from pipelines.recipes.control_guidance import ControlSpec

HintName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class HintData(AnnotatorParams):
    """One map, and how it is followed."""

    hint_url: OptionalImage = Field(
        None,
        description="The image that the map is drawn from, or the finished map (bypass_annotator). Default: `url`.",
    )
    hint_annotator: HintName | None = Field(
        None, description="Draw a map of this kind instead of the kind that the ControlNet was trained for."
    )
    hint_binarize_threshold: int | None = Field(
        None, ge=0, le=255, description="Make the map black and white: levels above this are white."
    )
    extra_annotator_params: AnnotatorParams | None = Field(
        None, description="Annotator parameters that take precedence over those beside this field."
    )
    control_strength: ControlStrength = Field(1.0, description="How strongly the map is followed.")
    bypass_annotator: bool = Field(False, description="The hint is a finished map already.")
    guess_mode: bool = Field(False, description="The network guesses what the map shows; the prompt matters less.")
    fade_layers: bool = Field(
        False,
        description="The map acts less on the outer layers of the denoiser, so that the prompt matters more. With "
        "guess_mode: in place of its own fading.",
    )
    layer_weights: LayerWeights | None = Field(
        None,
        description="How strongly the map acts on each layer of the denoiser, from the outermost to the middle one, in "
        "place of any fading: 13 numbers for Stable Diffusion 1 and 2, 10 for SDXL. control_strength multiplies them.",
    )
    region_url: OptionalImage = Field(
        None,
        description="A mask of where the map acts: fully in white, partly in grey, not in black. If it has transparent "
        "pixels, all pixels that are not fully transparent count as white. null: everywhere.",
    )
    hint_resize_mode: Literal["fill", "cover", "pad"] | None = Field(
        None, description="How the hint and its region get the shape of `wh`. null: as resize_mode says."
    )
    only_pass: Pass | None = Field(
        None, description="The pass that the map acts in, if the task has highres_info. null: both."
    )
    hint_start: Fraction | None = Field(
        None, description="The fraction of the steps after which the map is followed. null: 0."
    )
    hint_end: Fraction | None = Field(
        None, description="The fraction of the steps until which the map is followed. null: 1."
    )
    no_switch: bool = Field(False, description="Accepted for old clients and ignored.")

    @model_validator(mode="after")
    def _check_interval(self) -> Self:
        start, end = self.interval
        refuse_empty_interval("hint_start", start, "hint_end", end)
        return self

    @property
    def interval(self) -> tuple[float, float]:
        """The fractions of the steps between which the map is followed."""
        return self.hint_start or 0.0, 1.0 if self.hint_end is None else self.hint_end

    def control_spec(self, hint: str, image: str) -> ControlSpec:
        """The map for the ControlNet `hint`, drawn from the input image at the path `image`."""
        extra = self.extra_annotator_params
        start, end = self.interval
        return ControlSpec(
            canonical_hint(hint),
            image,
            annotator=None if self.bypass_annotator else canonical_hint(self.hint_annotator or hint),
            annotator_params=self if extra is None else self.model_copy(update=extra.model_dump(exclude_unset=True)),
            binarize_threshold=self.hint_binarize_threshold,
            strength=self.control_strength,
            start=start,
            end=end,
            guess=self.guess_mode,
            fades=self.fade_layers,
            only=self.only_pass,
            layer_weights=self.layer_weights,
        )
