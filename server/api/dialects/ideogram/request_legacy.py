"""Requests of the models before V3."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.pipeline import MAX_TEXT
from server.api.dialects.ideogram.model_limits import LegacyModel, refuse_untaken
from server.api.dialects.ideogram.request import STEPS, MagicPrompt, PictureRequest, Size, SizedRequest, pixels
from server.api.dialects.ideogram.sizes import LEGACY_RATIOS, LEGACY_RESOLUTIONS
from server.api.dialects.ideogram.styles import one_of

IMAGE_FILE = "image_file"
"""The name of a form's picture."""


class LegacyRequest(PictureRequest):
    model: LegacyModel = "V_2"
    magic_prompt_option: MagicPrompt = "AUTO"

    @model_validator(mode="after")
    def _check_model(self) -> Self:
        refuse_untaken(self.model, dict(self))
        return self

    @property
    def magic(self) -> MagicPrompt:
        return self.magic_prompt_option

    @property
    def model_name(self) -> str:
        return self.model

    @property
    def steps(self) -> int:
        return STEPS["TURBO" if self.model.endswith("TURBO") else "DEFAULT"]


class GenerateLegacyRequest(LegacyRequest, SizedRequest):
    """A picture from a prompt."""

    @property
    def size(self) -> Size:
        if self.resolution is not None:
            return _resolution(self.resolution)
        ratio = (self.aspect_ratio or "ASPECT_1_1").replace("SPECT_", "").removeprefix("A")
        found: Size = one_of("aspect_ratio", ratio, LEGACY_RATIOS)
        return found


class RemixLegacyRequest(GenerateLegacyRequest):
    """A picture that follows another one."""

    image_weight: int = Field(50, ge=1, le=100)


class EditLegacyRequest(LegacyRequest):
    """The part of a picture that a mask marks is repainted."""

    model: Literal["V_2", "V_2_TURBO"]


class ReframeLegacyRequest(LegacyRequest):
    """A picture with more around it."""

    prompt: str = Field("", max_length=MAX_TEXT)
    model: LegacyModel
    resolution: str

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        _ = self.size
        return self

    @property
    def size(self) -> Size:
        """Width and height."""
        return _resolution(self.resolution)


class UpscaleRequest(LegacyRequest):
    """A picture at twice its size."""

    prompt: str = Field("", max_length=MAX_TEXT)
    model: LegacyModel = "AUTO"
    resemblance: int = Field(50, ge=1, le=100)
    detail: int = Field(50, ge=1, le=100)


class DescribeRequest(BaseModel):
    """A picture in words."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    describe_model_version: Literal["V_2", "V_3"] = "V_3"


def _resolution(name: str) -> Size:
    """Width and height of `RESOLUTION_WIDTH_HEIGHT`. Raises ValueError."""
    short = name.removeprefix("RESOLUTION_").replace("_", "x")
    return pixels(one_of("resolution", short, {each: each for each in LEGACY_RESOLUTIONS}))
