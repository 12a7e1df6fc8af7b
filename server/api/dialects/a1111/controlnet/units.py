"""The units of the ControlNet extension, and what each is here."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from models.catalog.catalog import Catalog, UnknownModelError
from models.kinds import families_of
from models.kinds.controlnet import CONTROLNET
from models.kinds.ip_adapter import IP_ADAPTER
from models.kinds.kind import ModelKind
from pipelines.params.control import HINTS
from server.api.dialects.a1111.controlnet.unit_fields import (
    MAX_NUMBER,
    NO_CHOICE,
    Unit,
    choice,
    image_of,
    is_on,
    layer_weights_of,
    number,
    region_of,
    text_of,
)
from server.api.dialects.model_names import is_missing
from server.api.dialects.preprocessors import PREPROCESSORS
from server.tasks.submission import InvalidParamsError

REFERENCE_ONLY, IP_ADAPTERS = "reference_only", ("ip-adapter", "ip_adapter")
STYLE_FIDELITY = 0.5
"""In place of a threshold_a that is out of range: clients send that of other modules, as the extension allows."""
NOT_OFFERED: Mapping[str, str] = {
    "ipadapter_input": "send the picture as `image`",
    "use_preview_as_input": "send the map as `image`, with module none",
}
"""Fields of a unit that mean nothing here, and what to do in place of each."""
RESIZE_MODES: Mapping[str, Literal["fill", "cover", "pad"]] = {
    "0": "fill",
    "just resize": "fill",
    "1": "cover",
    "crop and resize": "cover",
    "inner fit (scale to fit)": "cover",
    "scale to fit (inner fit)": "cover",
    "2": "pad",
    "resize and fill": "pad",
    "outer fit (shrink to fit)": "pad",
    "envelope (outer fit)": "pad",
}
PASSES = {"both": None, "low res only": "first", "high res only": "second"}
BALANCED, PROMPT_FIRST, CONTROL_FIRST = "0", "1", "2"
CONTROL_MODES = {
    "balanced": BALANCED,
    "my prompt is more important": PROMPT_FIRST,
    "controlnet is more important": CONTROL_FIRST,
}
MIN_RESOLUTION, MAX_RESOLUTION = 128, 1024


@dataclass(frozen=True, slots=True)
class Guides:
    """What the units of a request ask for."""

    controls: tuple[dict[str, Any], ...] = ()
    """Items of the param `controls` of control_new.multi."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Params of units that are no ControlNet: `style_reference` and `ip_adapter`."""
    shows_maps: bool = True
    """Whether the control maps are among the images of the answer."""


def guides(units: Sequence[Unit], catalog: Catalog, size: tuple[int, int], picture: str | None = None) -> Guides:
    """size: width and height of the result. picture: that of the request, which units without an image take.

    Raises InvalidParamsError.
    """
    params: dict[str, Any] = {}
    controls = []
    for unit in units:
        _refuse_what_is_not_offered(unit)
        if image_of(unit) is None and picture is None:
            raise InvalidParamsError("a ControlNet unit has no image; add `image` in base64", "alwayson_scripts.image")
        if image_prompt := _image_prompt(unit, catalog, picture):
            if image_prompt.keys() & params.keys():
                raise InvalidParamsError(
                    f"several units have module {_module(unit)!r}; send one of them", "alwayson_scripts.module"
                )
            params |= image_prompt
            continue
        controls.append({"type": _controlnet(unit, catalog), "data": _data(unit, size)})
    shows_maps = any(is_on(unit.get("save_detected_map", True)) for unit in units)
    return Guides(tuple(controls), params, shows_maps)


def annotator_of(module: str) -> str | None:
    """The kind of map that a preprocessor draws; None for "none". Raises InvalidParamsError."""
    name = module.strip().lower()
    if name in NO_CHOICE:
        return None
    if name not in PREPROCESSORS:
        raise InvalidParamsError(
            f"there is no preprocessor {module!r}; there are: none, {', '.join(PREPROCESSORS)}", "module"
        )
    return PREPROCESSORS[name]


def resolution(value: Any, size: tuple[int, int] | None = None) -> int | None:
    """The shorter side for an annotator; None: its default. `size`: for "pixel perfect", that of the result."""
    side = min(size) if size else value if isinstance(value, int | float) and abs(value) <= MAX_NUMBER else -1
    return None if side < 1 else min(max(int(side), MIN_RESOLUTION), MAX_RESOLUTION)


def thresholds(kind: str | None, unit: Mapping[str, Any]) -> dict[str, Any]:
    """The annotator's params that threshold_a and threshold_b set."""
    low, high = number(unit, "threshold_a", -1.0), number(unit, "threshold_b", -1.0)
    if kind == "canny":
        named = {"low_threshold": int(low), "high_threshold": int(high)}
        return {name: min(max(value, 1), 255) for name, value in named.items() if value >= 0}
    if kind == "mlsd":
        named_scores = {"value_threshold": low, "distance_threshold": high}
        return {name: max(value, 0.01) for name, value in named_scores.items() if value >= 0}
    return {}


def _image_prompt(unit: Unit, catalog: Catalog, picture: str | None) -> dict[str, Any]:
    """The param of a unit that is no ControlNet; empty if it is one. Raises InvalidParamsError."""
    module, image, weight = _module(unit), image_of(unit) or picture, number(unit, "weight", 1.0)
    if module != REFERENCE_ONLY and not module.startswith(IP_ADAPTERS):
        return {}
    for name, default in (("guidance_start", 0.0), ("guidance_end", 1.0), ("guidance", 1.0)):
        if number(unit, name, default) != default:
            raise InvalidParamsError(f"{name} of module {module} is not offered; send {default:g}", name)
    if choice(unit, "control_mode", CONTROL_MODES, BALANCED) != BALANCED:
        raise InvalidParamsError(f"control_mode of module {module} is not offered; send Balanced", "control_mode")
    if choice(unit, "hr_option", PASSES, None) is not None:
        raise InvalidParamsError(f"hr_option of module {module} is not offered; send Both", "hr_option")
    for name, found in (("a mask", region_of(unit)), ("advanced_weighting", layer_weights_of(unit))):
        if found:
            raise InvalidParamsError(f"{name} of module {module} is not offered; leave it out", name.split()[-1])
    if not 0 <= weight <= 1:
        raise InvalidParamsError(f"weight {weight:g} of module {module} is not offered; send 0 to 1", "weight")
    if module == REFERENCE_ONLY:
        fidelity = number(unit, "threshold_a", STYLE_FIDELITY)
        fidelity = fidelity if 0 <= fidelity <= 1 else STYLE_FIDELITY
        return {"style_reference": {"url": image, "style_fidelity": fidelity, "reference_weight": weight}}
    model = text_of(unit, "model")
    adapter = {"model": _named(catalog, model, IP_ADAPTER)} if model else {}
    return {"ip_adapter": {"url": image, "scale": weight, **adapter}}


def _refuse_what_is_not_offered(unit: Unit) -> None:
    for name, advice in NOT_OFFERED.items():
        if is_on(unit.get(name)):
            raise InvalidParamsError(f"{name} of a ControlNet unit is not offered; leave it out, and {advice}", name)
    if str(unit.get("input_mode") or "simple").rpartition(".")[2].lower() != "simple":
        raise InvalidParamsError(
            "input_mode of a ControlNet unit must be simple; send each picture by itself", "input_mode"
        )


def _data(unit: Unit, size: tuple[int, int]) -> dict[str, Any]:
    kind = annotator_of(_module(unit))
    mode = choice(unit, "control_mode", CONTROL_MODES, BALANCED)
    detect = resolution(unit.get("processor_res"), size if is_on(unit.get("pixel_perfect")) else None)
    image, region, weights = image_of(unit), region_of(unit), layer_weights_of(unit)
    resizing = choice(unit, "resize_mode", RESIZE_MODES, "cover")
    return {
        "hint_url": image,
        "bypass_annotator": kind is None,
        "hint_annotator": kind,
        "control_strength": number(unit, "weight", 1.0) if weights is None else 1.0,
        "hint_start": number(unit, "guidance_start", 0.0),
        "hint_end": number(unit, "guidance_end", number(unit, "guidance", 1.0)),
        "guess_mode": mode == CONTROL_FIRST or is_on(unit.get("guessmode")),
        "fade_layers": mode != BALANCED,
        "only_pass": choice(unit, "hr_option", PASSES, None),
        **({} if image is None else {"hint_resize_mode": resizing}),
        **({} if region is None else {"region_url": region}),
        **({} if weights is None else {"layer_weights": weights}),
        **({} if detect is None else {"detect_resolution": detect}),
        **thresholds(kind, unit),
    }


def _controlnet(unit: Unit, catalog: Catalog) -> str:
    """The name of the unit's ControlNet, or the kind of map that it follows. Raises InvalidParamsError."""
    model = text_of(unit, "model")
    if not model:
        kind = annotator_of(_module(unit))
        if kind is None:
            raise InvalidParamsError("a ControlNet unit has no model; /controlnet/model_list lists them", "model")
        return kind
    if model.lower() in HINTS and is_missing(catalog, model):
        return model.lower()
    return _named(catalog, model, CONTROLNET)


def _named(catalog: Catalog, name: str, kind: ModelKind[Any]) -> str:
    """The name of the model of a kind that a caller means. Raises InvalidParamsError."""
    families = families_of(kind)
    with contextlib.suppress(UnknownModelError):
        if (entry := catalog.find(name)).family in families:
            return entry.name
    names = sorted(entry.name for entry in catalog if entry.family in families)
    raise InvalidParamsError(f"there is no {kind.title} {name!r}; there are: {', '.join(names) or 'none'}", "model")


def _module(unit: Unit) -> str:
    return text_of(unit, "module").lower()
