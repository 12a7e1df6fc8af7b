"""Requests of the models before V3."""

from __future__ import annotations

from typing import Literal

from server.api.dialects.ideogram.request import STEPS, MagicPrompt, PictureRequest, Size, SizedRequest, pixels
from server.api.dialects.ideogram.sizes import LEGACY_RATIOS, LEGACY_RESOLUTIONS
from server.api.dialects.ideogram.styles import one_of


class LegacyRequest(PictureRequest):
    model: Literal["V_1", "V_1_TURBO", "V_2", "V_2_TURBO", "V_2A", "V_2A_TURBO", "V_3", "AUTO"] = "V_2"
    magic_prompt_option: MagicPrompt = "AUTO"

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
        if self.resolution is None:
            ratio = (self.aspect_ratio or "ASPECT_1_1").replace("SPECT_", "").removeprefix("A")
            found: Size = one_of("aspect_ratio", ratio, LEGACY_RATIOS)
            return found
        name = self.resolution.removeprefix("RESOLUTION_").replace("_", "x")
        return pixels(one_of("resolution", name, {name: name for name in LEGACY_RESOLUTIONS}))
