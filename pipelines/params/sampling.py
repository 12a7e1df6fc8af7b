"""How a task goes from noise to image: the sampler, the number of steps, and how the steps are spread."""

from __future__ import annotations

from typing import Any, Self

from pydantic import AliasChoices, Field, model_validator

from pipelines.pipeline import Params
from pipelines.sampler_names import SAMPLERS, Spacing, canonical, max_steps_of, sigmas_of, spacings_of


class SamplerParams(Params):
    """A sampler and its options."""

    num_steps: int = Field(20, ge=1, le=100, description="Number of denoising steps.")
    sampler: str = Field(
        "euler",
        description="A sampler by any of its names: `euler`, `k_euler`, `DPM++ 2M Karras`…",
        examples=list(SAMPLERS),
    )
    sigmas: str | None = Field(
        None,
        validation_alias=AliasChoices("sigmas", "sigmas_scheduler"),
        description="The noise schedule (`karras`, `exponential`…), if the sampler supports it.",
    )
    timestep_spacing: Spacing | None = Field(
        None,
        description="How the steps are spread over the noise levels. Models for few steps mostly need `trailing`, "
        "which begins at pure noise. null: as in the model's own configuration. A single step always begins at pure "
        "noise.",
    )

    @model_validator(mode="before")
    @classmethod
    def _split_sampler_label(cls, values: Any) -> Any:
        """A label such as "DPM++ 2M Karras" holds both the sampler and its sigmas."""
        if not isinstance(values, dict) or not isinstance(values.get("sampler"), str):
            return values
        sampler, sigmas = canonical(values["sampler"])
        implied = {} if sigmas is None or values.get("sigmas") or values.get("sigmas_scheduler") else {"sigmas": sigmas}
        return {**values, "sampler": sampler, **implied}

    @model_validator(mode="after")
    def _check_sampler(self) -> Self:
        refuse_too_many_steps("num_steps", self.num_steps, self.sampler)
        allowed = sigmas_of(self.sampler)
        if self.sigmas is not None and self.sigmas not in allowed:
            advice = f"use one of {', '.join(allowed)}" if allowed else "it has only its own; leave sigmas out"
            raise ValueError(f"sampler {self.sampler!r} does not support sigmas {self.sigmas!r}; {advice}")
        if self.timestep_spacing is not None and self.timestep_spacing not in spacings_of(self.sampler):
            raise ValueError(
                f"sampler {self.sampler!r} has its own timesteps and does not support timestep_spacing "
                f"{self.timestep_spacing!r}; leave timestep_spacing out"
            )
        return self


def refuse_too_many_steps(name: str, steps: int, sampler: str) -> None:
    """Raises ValueError if a sampler cannot take as many steps as the parameter `name` says."""
    limit = max_steps_of(sampler)
    if steps > limit:
        raise ValueError(f"{name} {steps} is too many for sampler {sampler!r}; set at most {limit}")
