"""Performance options, which trade exactness for speed or speed for exactness. All are off by default."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from pipelines.params.limits import Fraction
from pipelines.pipeline import Params


class PerformanceParams(Params):
    """The performance options of every task that denoises."""

    guidance_interval: tuple[Fraction, Fraction] = Field(
        (0.0, 1.0),
        description="Guide only between these two fractions of the steps, such as 0.1 and 0.8. The other steps "
        "take half "
        "the time, and the image changes a little (Kynkäänniemi et al., 2024).",
        examples=[(0.0, 1.0)],
    )
    deep_cache: int = Field(
        1,
        ge=1,
        le=10,
        description="Run the whole denoiser at every second, third… step only. The other steps reuse its deep features "
        "and take a fraction of the time; the image changes a little (DeepCache; Ma et al., 2024). 1: at every step.",
    )
    determinism: Literal["throughput", "strict"] = Field(
        "throughput",
        description="`throughput`: tasks share steps, so the last bits of an image depend on which tasks run "
        "beside it. "
        "`strict`: the task shares no steps, so the same server always makes the same bits.",
    )

    @model_validator(mode="after")
    def _check_interval(self) -> Self:
        begin, end = self.guidance_interval
        if begin >= end:
            raise ValueError(
                f"guidance_interval [{begin}, {end}] is empty; give [begin, end] with begin below end, or set "
                "guidance_scale to 1 for no guidance at all"
            )
        return self
