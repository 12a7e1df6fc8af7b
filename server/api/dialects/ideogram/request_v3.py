"""Requests of V3."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import from_json

from pipelines.params.ip_adapter import MAX_IMAGES
from pipelines.pipeline import MAX_TEXT
from server.api.dialects.ideogram.request import STEPS, MagicPrompt, PictureRequest, Size, SizedRequest, pixels
from server.api.dialects.ideogram.sizes import RATIOS, RESOLUTIONS
from server.api.dialects.ideogram.styles import PRESETS, one_of

UPSCALE_FACTORS = {"X1": 1, "X2": 2, "X4": 4}
StyleCode = Annotated[str, Field(pattern="^[0-9a-fA-F]{8}$")]


class V3Request(PictureRequest):
    """The fields of all requests of V3."""

    rendering_speed: Literal["FLASH", "TURBO", "BALANCED", "DEFAULT", "QUALITY"] = "DEFAULT"
    magic_prompt: MagicPrompt = "AUTO"
    style_type: Literal["AUTO", "GENERAL", "REALISTIC", "DESIGN", "FICTION"] = "GENERAL"
    style_preset: str | None = None
    style_codes: list[StyleCode] = Field(
        [], max_length=MAX_IMAGES, description="Codes that answers to requests with `style_reference_images` have."
    )

    @field_validator("style_codes", mode="before")
    @classmethod
    def _read_codes(cls, value: Any) -> Any:
        """In a form: one code, several fields, several codes with commas between them, or JSON."""
        if not isinstance(value, str):
            return value
        if not value.startswith("["):
            return [code.strip() for code in value.split(",")]
        return from_json(value.encode(errors="replace"))  # JSON may have lone surrogates, UTF-8 has not

    @model_validator(mode="after")
    def _check_codes(self) -> Self:
        if self.style_codes and "style_type" in self.model_fields_set:
            raise ValueError("style_codes and style_type exclude each other; send only one of them")
        return self

    @property
    def style_words(self) -> list[str]:
        preset = [] if self.style_preset is None else [one_of("style_preset", self.style_preset, PRESETS)]
        return [*super().style_words, *preset]

    @property
    def magic(self) -> MagicPrompt:
        return self.magic_prompt

    @property
    def model_name(self) -> str:
        return "V_3"

    @property
    def steps(self) -> int:
        return STEPS[self.rendering_speed]


class GenerateV3Request(V3Request, SizedRequest):
    """A picture from a prompt."""

    @property
    def size(self) -> Size:
        if self.resolution is not None:
            return _resolution(self.resolution)
        found: Size = one_of("aspect_ratio", self.aspect_ratio or "1x1", RATIOS)
        return found


class RemixV3Request(GenerateV3Request):
    """A picture that follows another one."""

    image_weight: int = Field(50, ge=1, le=100, description="How closely it follows.")


class ReframeV3Request(V3Request):
    """A picture with more around it."""

    prompt: str = Field("", max_length=MAX_TEXT, description="What the rest shows. Ideogram has no such field.")
    resolution: str

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        _ = self.size
        return self

    @property
    def size(self) -> Size:
        """Width and height."""
        return _resolution(self.resolution)


class TransparentRequest(GenerateV3Request):
    """An object without background."""

    upscale_factor: Literal["X1", "X2", "X4"] = "X1"

    @property
    def scale(self) -> int:
        """How many times as long each side becomes."""
        return UPSCALE_FACTORS[self.upscale_factor]


def _resolution(name: str) -> Size:
    return pixels(one_of("resolution", name, {each: each for each in RESOLUTIONS}))
