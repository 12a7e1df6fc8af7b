"""How a task goes from noise to image: by which sampler, in how many steps, and how these are spread."""

from __future__ import annotations

from typing import Any, Self

from pydantic import AliasChoices, Field, model_validator

from pipelines.pipeline import Params
from pipelines.sampler_names import SAMPLERS, Spacing, canonical, max_steps_of, sigmas_of, spacings_of


class SamplerParams(Params):
    """A sampler and what it can be told."""

    num_steps: int = Field(20, ge=1, le=100, description="Denoising steps.")
    sampler: str = Field(
        "euler",
        description="A sampler by any of its names: `euler`, `k_euler`, `DPM++ 2M Karras`…",
        examples=list(SAMPLERS),
    )
    sigmas: str | None = Field(
        None,
        validation_alias=AliasChoices("sigmas", "sigmas_scheduler"),
        description="Spacing of noise levels (`karras`, `exponential`…) where the sampler has it.",
    )
    timestep_spacing: Spacing | None = Field(
        None,
        description="How the steps spread over the noise: models made for few steps mostly want `trailing`, which "
        "begins at pure noise; null: as the model's own configuration says.",
    )

    @model_validator(mode="before")
    @classmethod
    def _name_sampler(cls, values: Any) -> Any:
        """A label like "DPM++ 2M Karras" says both the sampler and its sigmas."""
        if not isinstance(values, dict) or not isinstance(values.get("sampler"), str):
            return values
        sampler, sigmas = canonical(values["sampler"])
        implied = {} if sigmas is None or values.get("sigmas") or values.get("sigmas_scheduler") else {"sigmas": sigmas}
        return {**values, "sampler": sampler, **implied}

    @model_validator(mode="after")
    def _check_sampler(self) -> Self:
        most = max_steps_of(self.sampler)
        if self.num_steps > most:
            raise ValueError(
                f"num_steps {self.num_steps} is too many for sampler {self.sampler!r}; it takes {most} at most"
            )
        allowed = sigmas_of(self.sampler)
        if self.sigmas is not None and self.sigmas not in allowed:
            has = ", ".join(allowed) if allowed else "none but its own: leave sigmas out"
            raise ValueError(f"sigmas {self.sigmas!r} do not exist for sampler {self.sampler!r}; it has {has}")
        if self.timestep_spacing is not None and self.timestep_spacing not in spacings_of(self.sampler):
            raise ValueError(
                f"timestep_spacing {self.timestep_spacing!r} does not exist for sampler {self.sampler!r}, which has "
                "its own: leave it out"
            )
        return self
