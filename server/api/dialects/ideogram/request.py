"""Requests of Ideogram for a picture from a prompt. Unknown fields are ignored, as its own samples need it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipelines.pipeline import MAX_TEXT
from server.api.dialects.ideogram.sizes import LEGACY_RATIOS, LEGACY_RESOLUTIONS, RATIOS, RESOLUTIONS

STYLES: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("styles.yaml").read_text("utf-8"))
STEPS = {"FLASH": 8, "TURBO": 12, "BALANCED": 20, "DEFAULT": 20, "QUALITY": 40}
"""Denoising steps by rendering speed."""
UNSUPPORTED = {
    "style_codes": "use style_preset or style_type",
    "style_reference_images": "use style_preset, or the task param ip_adapter at POST /v1/tasks",
    "character_reference_images": "use the task param ip_adapter at POST /v1/tasks",
    "custom_model_uri": "the operator chooses the model with the alias V_3 in models.yaml",
}
"""What is refused, and what to use instead."""
Size = tuple[int, int]


class GenerateRequest(BaseModel):
    """What both versions have in common."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    prompt: str = Field(min_length=1, max_length=MAX_TEXT)
    negative_prompt: str = Field("", max_length=MAX_TEXT)
    num_images: int = Field(1, ge=1, le=8)
    seed: int | None = Field(None, ge=0, le=2147483647)
    aspect_ratio: str | None = None
    resolution: str | None = None
    style_type: str = "AUTO"
    color_palette: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, values: Any) -> Any:
        return (
            {name: value for name, value in values.items() if value is not None} if isinstance(values, dict) else values
        )

    @model_validator(mode="after")
    def _check_size(self) -> GenerateRequest:
        if self.resolution and self.aspect_ratio:
            raise ValueError("resolution and aspect_ratio contradict each other; send only one of them")
        _ = self.size, self.words
        return self

    @field_validator("color_palette", mode="before")
    @classmethod
    def _read_palette(cls, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    @property
    def size(self) -> Size:
        """Width and height."""
        raise NotImplementedError

    @property
    def style_words(self) -> list[str]:
        return [_one_of("style_type", self.style_type, STYLES["types"])]

    @property
    def words(self) -> str:
        """The prompt with the words of its styles and colours."""
        return ", ".join(filter(None, (self.prompt, *self.style_words, self._palette_words())))

    @property
    def steps(self) -> int:
        return STEPS["DEFAULT"]

    def _palette_words(self) -> str:
        palette = self.color_palette or {}
        if name := palette.get("name"):
            return str(_one_of("color_palette", name, STYLES["palettes"]))
        colours = [
            str(member.get("color_hex", "")) for member in palette.get("members", []) if isinstance(member, dict)
        ]
        return f"palette of {', '.join(colours)}" if colours else ""


class V3Request(GenerateRequest):
    rendering_speed: Literal["FLASH", "TURBO", "BALANCED", "DEFAULT", "QUALITY"] = "DEFAULT"
    magic_prompt: Literal["AUTO", "ON", "OFF"] = "AUTO"
    style_type: Literal["AUTO", "GENERAL", "REALISTIC", "DESIGN", "FICTION"] = "GENERAL"
    style_preset: str | None = None

    @property
    def size(self) -> Size:
        if self.resolution is None:
            found: Size = _one_of("aspect_ratio", self.aspect_ratio or "1x1", RATIOS)
            return found
        return _pixels(_one_of("resolution", self.resolution, {name: name for name in RESOLUTIONS}))

    @property
    def style_words(self) -> list[str]:
        if self.style_preset is None:
            return super().style_words
        presets = {name: name.replace("_", " ").lower() + " style" for name in STYLES["presets"]}
        return [*super().style_words, _one_of("style_preset", self.style_preset, presets)]

    @property
    def steps(self) -> int:
        return STEPS[self.rendering_speed]


class LegacyRequest(GenerateRequest):
    model: Literal["V_1", "V_1_TURBO", "V_2", "V_2_TURBO", "V_2A", "V_2A_TURBO", "V_3", "AUTO"] = "V_2"
    magic_prompt_option: Literal["AUTO", "ON", "OFF"] = "AUTO"

    @property
    def size(self) -> Size:
        if self.resolution is None:
            ratio = (self.aspect_ratio or "ASPECT_1_1").replace("SPECT_", "").removeprefix("A")
            found: Size = _one_of("aspect_ratio", ratio, LEGACY_RATIOS)
            return found
        name = self.resolution.removeprefix("RESOLUTION_").replace("_", "x")
        return _pixels(_one_of("resolution", name, {name: name for name in LEGACY_RESOLUTIONS}))

    @property
    def steps(self) -> int:
        return STEPS["TURBO" if self.model.endswith("TURBO") else "DEFAULT"]


def _one_of(field: str, value: Any, known: Mapping[str, Any]) -> Any:
    if not isinstance(value, str) or value not in known:
        raise ValueError(f"{field} {value!r} is unknown; use one of {', '.join(sorted(known))}")
    return known[value]


def _pixels(name: str) -> Size:
    width, height = name.split("x")
    return int(width), int(height)
