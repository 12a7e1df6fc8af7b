"""What the ControlNet units of a request are here."""

from __future__ import annotations

import contextlib
from typing import Any

from models.catalog.catalog import Catalog, UnknownModelError
from models.kinds import families_of
from models.kinds.controlnet import CONTROLNET
from pipelines.params.control import HINTS
from server.api.dialects.chuzhan.request import ControlUnit, DrawRequest
from server.api.dialects.preprocessors import PREPROCESSORS
from server.tasks.submission import InvalidParamsError

PROMPT_FIRST, CONTROL_FIRST = 1, 2


def controls(request: DrawRequest, catalog: Catalog) -> list[dict[str, Any]]:
    """Items of the param `controls` of control_new.multi. Raises InvalidParamsError."""
    return [_control(unit, number, request, catalog) for number, unit in enumerate(request.controlnet.units)]


def _control(unit: ControlUnit, number: int, request: DrawRequest, catalog: Catalog) -> dict[str, Any]:
    field = f"controlnet.units.{number}"
    image = unit.image or request.controlnet.image or request.source
    if image is None:
        raise InvalidParamsError(f"{field} has no image; add image to the unit or to controlnet, or img", field)
    if unit.control_start >= unit.control_end:
        raise InvalidParamsError(f"{field}.controlStart is not before controlEnd; lower it", field)
    kind, net = _kind_and_net(unit, field, catalog)
    data = {
        "hint_url": image,
        "control_strength": unit.weight,
        "hint_start": unit.control_start,
        "hint_end": unit.control_end,
        "guess_mode": unit.control_mode == CONTROL_FIRST,
        "fade_layers": unit.control_mode in (PROMPT_FIRST, CONTROL_FIRST),
        "bypass_annotator": not unit.preprocess,
        "hint_annotator": kind if unit.preprocess else None,
        **_annotator_params(kind, unit),
    }
    return {"type": net, "data": data}


def _kind_and_net(unit: ControlUnit, field: str, catalog: Catalog) -> tuple[str | None, str]:
    """The kind of map to draw (None: that of the net), and the name of the ControlNet. Raises InvalidParamsError."""
    name = unit.type.strip().lower()
    if (kind := PREPROCESSORS.get(name)) is not None:
        return kind, kind
    with contextlib.suppress(UnknownModelError):
        if (entry := catalog.find(unit.type.strip())).family in families_of(CONTROLNET):
            return entry.hint, entry.name
    raise InvalidParamsError(
        f"{field}.type {unit.type!r} is unknown; send one of {', '.join(HINTS)}, or the name of a ControlNet", field
    )


def _annotator_params(kind: str | None, unit: ControlUnit) -> dict[str, Any]:
    """What paramsA and paramsB mean to the preprocessors that have parameters."""
    first, second = unit.params_a, unit.params_b
    if kind == "canny":
        levels = {"low_threshold": first, "high_threshold": second}
        return {name: min(max(round(level), 1), 255) for name, level in levels.items() if level is not None}
    if kind == "mlsd":
        scores = {"value_threshold": first, "distance_threshold": second}
        return {name: max(score, 0.01) for name, score in scores.items() if score is not None}
    return {}
