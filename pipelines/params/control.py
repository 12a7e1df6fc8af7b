"""Parameters of control maps: the kinds of maps, and how an annotator draws them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from models.vision.control_maps import DrawOptions

Pass = Literal["first", "second"]
Hint = Literal[
    "canny", "depth", "pose", "mlsd", "softedge", "lineart", "scribble", "tile", "normal", "qr", "brightness"
]
HINTS: Mapping[Hint, str] = {
    "canny": "edges",
    "depth": "depth",
    "pose": "poses",
    "mlsd": "straight lines",
    "softedge": "soft edges",
    "lineart": "line drawings",
    "scribble": "scribbles",
    "tile": "the picture itself",
    "normal": "surfaces",
    "qr": "a QR code or a pattern",
    "brightness": "brightness",
}
"""The kinds of control maps that task types are named after, and what each kind shows."""

HINT_ALIASES: Mapping[str, str] = {
    "hed": "softedge",
    "pidi": "softedge",
    "midas": "depth",
    "openpose": "pose",
    "normalbae": "normal",
}
DEFAULT_RESOLUTION = 512
DEPTH_RESOLUTION = 384

CannyThreshold = Annotated[int, Field(ge=1, le=255)]
ControlStrength = Annotated[float, Field(ge=0, le=2)]
LayerWeights = Annotated[tuple[ControlStrength, ...], Field(min_length=1, max_length=32, fail_fast=True)]


class AnnotatorParams(BaseModel):
    """How an annotator draws a control map."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    detect_resolution: int | None = Field(
        None,
        ge=128,
        le=1024,
        description="Shorter side, in pixels, to which the picture is scaled for the annotator. null: "
        f"{DEFAULT_RESOLUTION}, for depth {DEPTH_RESOLUTION}. Some annotators have a fixed resolution of their own.",
    )
    low_threshold: CannyThreshold = Field(100, description="Canny: weaker gradients are not edges.")
    high_threshold: CannyThreshold = Field(
        200, description="Canny: stronger gradients are edges even without a connected edge."
    )
    value_threshold: float = Field(0.1, ge=0.01, le=2, description="M-LSD: the lowest score of a line.")
    distance_threshold: float = Field(0.1, ge=0.01, le=20, description="M-LSD: the shortest length of a line.")

    def drawing(self, hint: str) -> DrawOptions:
        """The settings of the annotator for a map of kind `hint`."""
        from models.vision.control_maps import DrawOptions

        default = DEPTH_RESOLUTION if hint == "depth" else DEFAULT_RESOLUTION
        return DrawOptions(
            self.detect_resolution or default,
            self.low_threshold,
            self.high_threshold,
            self.value_threshold,
            self.distance_threshold,
        )


def canonical_hint(hint: str) -> str:
    """The kind of control map that a name or an alias means."""
    return HINT_ALIASES.get(hint, hint)


def refuse_empty_interval(start_name: str, start: float, end_name: str, end: float) -> None:
    """Raises ValueError unless `start` is before `end`."""
    if start >= end:
        raise ValueError(f"{start_name} {start:g} is not before {end_name} {end:g}; lower it, or raise {end_name}")


def prefer_base_model(values: Any) -> Any:
    """Unvalidated parameters without `model` and `version` if they have `base_model`, which takes precedence."""
    if not isinstance(values, dict) or "base_model" not in values:
        return values
    return {name: value for name, value in values.items() if name not in ("model", "version")}
