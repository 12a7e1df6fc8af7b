"""Parameters of a second pass at a larger size ("hires fix")."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.adapters.lora_tags import split_lora_tags
from pipelines.params.image import refuse_odd_size, strength_of
from pipelines.params.image_refs import OptionalImage
from pipelines.params.limits import GeneratedSide
from pipelines.params.prompts import OptionalNegativePrompt, OptionalPrompt
from pipelines.sampler_names import Spacing, max_steps_of

if TYPE_CHECKING:
    import torch

SAMPLING = ("sampler", "sigmas", "timestep_spacing")
"""With a sampler of its own, the second pass has a schedule of its own, too."""


class HighRes(BaseModel):
    """A second pass at a larger size, started from the enlarged latents of the first pass ("hires fix")."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first_url: OptionalImage = Field(
        None,
        description="A picture in place of what the first pass paints. It is cropped to the shape of the first pass.",
    )
    fidelity: float = Field(0.3, ge=0, le=0.99, description="How closely the second pass follows the first one.")
    upscale_factor: float = Field(2.0, gt=1, le=4, description="How many times larger each side becomes.")
    upscale_method: Literal["nearest-exact", "nearest", "bilinear", "bicubic", "area", "lanczos"] = Field(
        "nearest-exact", description="How the latents are enlarged. `lanczos` enlarges the image that they decode to."
    )
    max_wh: GeneratedSide = Field(1024, description="Longest side that the second pass may reach, in pixels.")
    w: GeneratedSide | None = Field(
        None, description="Width of the second pass, a multiple of 8, in place of upscale_factor. Set h, too."
    )
    h: GeneratedSide | None = Field(
        None, description="Height of the second pass. What is too much for the shape of w × h is cropped."
    )
    upscaler: str | None = Field(
        None,
        max_length=256,
        description="A model of family `upscaler` that enlarges the image, in place of upscale_method.",
    )
    num_steps: int | None = Field(
        None, ge=1, le=100, description="Steps of the second pass. null: as many as in the first one."
    )
    sampler: str | None = Field(None, description="The sampler of the second pass. null: as in the first one.")
    sigmas: str | None = Field(None, description="Its noise schedule. null: that of the first one, or of the label.")
    timestep_spacing: Spacing | None = Field(
        None, description="How its steps are spread over the noise levels. null: as in the first one, if sampler is."
    )
    guidance_scale: float | None = Field(
        None, ge=0, le=50, description="How strongly it follows the prompt. null: as in the first pass."
    )
    model: str | None = Field(
        None,
        max_length=256,
        description="The model of the second pass, of the same family as that of the first one. null: the same model.",
    )
    text: OptionalPrompt = Field(
        None, max_length=20_000, description="The prompt of the second pass. null: as in the first one."
    )
    negative_prompt: OptionalNegativePrompt = Field(
        None, max_length=20_000, description="Its negative prompt. null: as in the first pass."
    )

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if (self.w is None) != (self.h is None):
            raise ValueError("w and h of highres_info belong together; set both, or neither")
        for name, side in (("w", self.w), ("h", self.h)):
            if side is not None:
                refuse_odd_size(f"{name} of highres_info", side, self.max_wh)
        return self

    @model_validator(mode="after")
    def _check_text(self) -> Self:
        if self.text is not None and split_lora_tags(self.text)[1]:
            raise ValueError("LoRAs act on both passes; write <lora:…> in text, not in text of highres_info")
        return self

    @property
    def own(self) -> dict[str, Any]:
        """The parameters in which the second pass differs from the first, by the names that both use."""
        names = {"num_steps", *SAMPLING, "guidance_scale", "model", "text", "negative_prompt"}
        changes = {name: value for name, value in self.model_dump(include=names).items() if value is not None}
        if self.model is not None:
            changes["is_anime"] = False
        return {**dict.fromkeys(SAMPLING), **changes} if "sampler" in changes else changes

    @property
    def enlarges_pixels(self) -> bool:
        """Whether the decoded image is enlarged, and not its latents."""
        return self.upscaler is not None or self.upscale_method == "lanczos"

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the second pass, in pixels, for a first pass of `width` × `height`."""
        if self.w is not None and self.h is not None:
            return self.w, self.h
        return round(width * self.upscale_factor / 8) * 8, round(height * self.upscale_factor / 8) * 8

    def enlarge(self, latents: torch.Tensor, width: int, height: int) -> torch.Tensor:
        """Latents [1, channels, h, w] of the first pass at `width` × `height` latent pixels; what is too much for this
        shape is cropped."""
        from torch.nn.functional import interpolate

        scale = max(height / latents.shape[2], width / latents.shape[3])
        covering = max(round(latents.shape[2] * scale), height), max(round(latents.shape[3] * scale), width)
        enlarged = interpolate(latents.float(), size=covering, mode=self.upscale_method)
        top, left = (covering[0] - height) // 2, (covering[1] - width) // 2
        return enlarged[:, :, top : top + height, left : left + width]

    def steps(self, num_steps: int) -> int:
        """How many steps to schedule so that about `num_steps` of them, and one at least, run at this fidelity."""
        return max(int(num_steps / min(1 - self.fidelity, 0.999)), ceil(1 / strength_of(self.fidelity)))

    def refuse_too_many_steps(self, num_steps: int, sampler: str) -> None:
        """Raises ValueError if the second pass needs more steps than a sampler can take."""
        steps, limit = self.steps(num_steps), max_steps_of(sampler)
        if steps > limit:
            fidelity = 100 * (limit - num_steps) // limit / 100
            raise ValueError(
                f"highres_info with fidelity {self.fidelity:g} spreads num_steps {num_steps} over {steps} steps, but "
                f"sampler {sampler!r} can take {limit}; set fidelity to at most {fidelity:g}, or lower num_steps"
            )
