"""Which of the older models take which fields, as the documentation of Ideogram says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

LegacyModel = Literal["V_1", "V_1_TURBO", "V_2", "V_2_TURBO", "V_2A", "V_2A_TURBO", "V_3", "AUTO"]
_V2 = ("V_2", "V_2_TURBO")
TAKEN_BY: Mapping[str, tuple[str, ...]] = {
    "negative_prompt": ("V_1", "V_1_TURBO", *_V2),
    "resolution": _V2,
    "style_type": (*_V2, "V_2A", "V_2A_TURBO", "V_3"),
    "color_palette": (*_V2, "V_3"),
}
"""The models by field. All models take other fields, and AUTO takes all fields."""


def refuse_untaken(model: LegacyModel, fields: Mapping[str, Any]) -> None:
    """Raises ValueError for a field that is set and that the model does not take. AUTO and "" mean "not set"."""
    for name, models in TAKEN_BY.items():
        if fields.get(name) not in (None, "", "AUTO") and model not in (*models, "AUTO"):
            raise ValueError(
                f"{name} is not for model {model}; leave it out, or send one of the models {', '.join(models)}"
            )
