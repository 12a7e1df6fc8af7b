"""Parameters of a second pass at a larger size ("hires fix")."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipelines.params.image import strength_of
from pipelines.params.limits import GeneratedSide
from pipelines.sampler_names import max_steps_of

if TYPE_CHECKING:
    import torch


class HighRes(BaseModel):
    """A second pass at a larger size, started from the enlarged latents of the first pass ("hires fix")."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    fidelity: float = Field(0.3, ge=0, le=0.99, description="How closely the second pass follows the first one.")
    upscale_factor: float = Field(2.0, gt=1, le=4, description="How many times larger each side becomes.")
    upscale_method: Literal["nearest-exact", "nearest", "bilinear", "bicubic", "area"] = Field(
        "nearest-exact", description="How the latents are enlarged."
    )
    max_wh: GeneratedSide = Field(1024, description="Longest side that the second pass may reach, in pixels.")

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the second pass, in pixels, for a first pass of `width` × `height`."""
        return round(width * self.upscale_factor / 8) * 8, round(height * self.upscale_factor / 8) * 8

    def enlarge(self, latents: torch.Tensor, width: int, height: int) -> torch.Tensor:
        """Latents [1, channels, h, w] of the first pass at `width` × `height` latent pixels."""
        from torch.nn.functional import interpolate

        return interpolate(latents.float(), size=(height, width), mode=self.upscale_method)

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
