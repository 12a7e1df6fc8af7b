"""Fields of ControlNet units, which clients send in several spellings and types."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from server.tasks.submission import InvalidParamsError

MAX_NUMBER = 1e6
NO_CHOICE = frozenset({"", "none"})
OFF = frozenset({"", "false", "off", "no", "0", "none"})

Unit = Mapping[str, Any]


def text_of(unit: Unit, name: str) -> str:
    """The text of a field; "" for a choice that was not made."""
    text = str(unit.get(name) or "").strip()
    return "" if text.lower() in NO_CHOICE else text


def is_on(value: Any) -> bool:
    """Whether a switch is on; clients send booleans as texts and numbers, too."""
    return value.strip().lower() not in OFF if isinstance(value, str) else bool(value)


def number(unit: Unit, name: str, default: float) -> float:
    """Raises InvalidParamsError."""
    value = unit.get(name)
    if value is None:
        return default
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not abs(found) <= MAX_NUMBER:
        raise InvalidParamsError(f"{name} must be a number", name)
    return found


def choice(unit: Unit, name: str, choices: Mapping[str, Any], default: Any) -> Any:
    """The value of a choice, by its label or number. Raises InvalidParamsError."""
    value = unit.get(name)
    if value is None or value == "":
        return default
    key = str(value).strip().lower()
    if key in choices:
        return choices[key]
    if key in choices.values():
        return key
    raise InvalidParamsError(f"{name} {value!r} is unknown; there are: {', '.join(choices)}", name)


def image_of(unit: Unit) -> str | None:
    """The image of a unit, under its present or older name. Raises InvalidParamsError."""
    value = unit.get("image") or unit.get("input_image")
    return _picture("image", value.get("image") if isinstance(value, Mapping) else value)


def region_of(unit: Unit) -> str | None:
    """The mask of where a unit acts, under any of its names. Raises InvalidParamsError."""
    image = unit.get("image") or unit.get("input_image")
    mask = unit.get("mask") or unit.get("mask_image") or (image.get("mask") if isinstance(image, Mapping) else None)
    region = _picture("effective_region_mask", unit.get("effective_region_mask"))
    if mask and region and mask != region:
        raise InvalidParamsError(
            "mask and effective_region_mask of a ControlNet unit both say where it acts; send one of them", "mask"
        )
    return region or _picture("mask", mask)


def layer_weights_of(unit: Unit) -> list[float] | None:
    """`advanced_weighting`, a number for each layer; None if there is none. Raises InvalidParamsError."""
    value = unit.get("advanced_weighting")
    if not value:
        return None
    if not isinstance(value, list):
        raise InvalidParamsError(
            "advanced_weighting of a ControlNet unit must be a list of numbers, one for each layer: 13 for Stable "
            "Diffusion 1, 10 for SDXL",
            "advanced_weighting",
        )
    return [number({"advanced_weighting": "" if each is None else each}, "advanced_weighting", 1.0) for each in value]


def _picture(name: str, value: Any) -> str | None:
    if value and not isinstance(value, str):
        raise InvalidParamsError(f"`{name}` of a ControlNet unit must be a picture in base64", name)
    return value or None
