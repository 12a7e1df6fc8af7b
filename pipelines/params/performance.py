"""What a task may trade: speed for exactness, or exactness for speed. Off unless it is asked for."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipelines.pipeline import Params

Share = Annotated[float, Field(ge=0, le=1)]


class LeverParams(Params):
    """Levers that every task has which denoises."""

    guidance_interval: tuple[Share, Share] = Field(
        (0.0, 1.0),
        description="Guide only from here to there, in shares of the steps: the others take half the time, and the "
        "picture is a little unlike (0.1 to 0.8, say; Kynkäänniemi et al., 2024).",
        examples=[(0.0, 1.0)],
    )
    deep_cache: int = Field(
        1,
        ge=1,
        le=10,
        description="Go through the whole denoiser at every second, third… step only; the others take over its deep "
        "features, need a fraction of the time, and the picture is a little unlike (DeepCache; Ma et al., 2024).",
    )
    determinism: Literal["throughput", "strict"] = Field(
        "throughput",
        description="`strict`: the same bits on the same server whatever else it does, for steps are not shared with "
        "other tasks. `throughput`: the same picture, but for roundings that depend on who shares the steps.",
    )

    @model_validator(mode="after")
    def _check_interval(self) -> Self:
        begin, end = self.guidance_interval
        if begin >= end:
            raise ValueError(
                f"guidance_interval [{begin}, {end}] ends before it begins; give [begin, end] with begin below end, "
                "or guidance_scale 1 for no guidance at all"
            )
        return self
