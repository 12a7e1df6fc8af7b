"""Requests of V3."""

from __future__ import annotations

from typing import Literal

from server.api.dialects.ideogram.request import STEPS, MagicPrompt, PictureRequest, Size, SizedRequest, pixels
from server.api.dialects.ideogram.sizes import RATIOS, RESOLUTIONS
from server.api.dialects.ideogram.styles import PRESETS, one_of


class V3Request(PictureRequest):
    rendering_speed: Literal["FLASH", "TURBO", "BALANCED", "DEFAULT", "QUALITY"] = "DEFAULT"
    magic_prompt: MagicPrompt = "AUTO"
    style_type: Literal["AUTO", "GENERAL", "REALISTIC", "DESIGN", "FICTION"] = "GENERAL"
    style_preset: str | None = None

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
        if self.resolution is None:
            found: Size = one_of("aspect_ratio", self.aspect_ratio or "1x1", RATIOS)
            return found
        return pixels(one_of("resolution", self.resolution, {name: name for name in RESOLUTIONS}))
