"""The units of the ControlNet extension, among the scripts of a request, and what each is here."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from models.catalog.catalog import Catalog, UnknownModelError
from pipelines.params.control import HINTS
from server.api.dialects.preprocessors import PREPROCESSORS
from server.tasks.submission import InvalidParamsError

BUILT_IN = frozenset({"sampler", "seed", "refiner", "extra options", "comments", "hypertile", "soft inpainting"})
"""Scripts of the web UI itself that only draw its page, or are off unless their first argument is true."""
CONTROLNET_SCRIPT = "controlnet"
NO_CHOICE = frozenset({"", "none"})
REFERENCE_ONLY, IP_ADAPTER = "reference_only", ("ip-adapter", "ip_adapter")
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
BALANCED, PROMPT_FIRST, CONTROL_FIRST = "0", "1", "2"
CONTROL_MODES = {
    "balanced": BALANCED,
    "my prompt is more important": PROMPT_FIRST,
    "controlnet is more important": CONTROL_FIRST,
}
MAX_NUMBER = 1e6
MIN_RESOLUTION, MAX_RESOLUTION = 128, 1024


@dataclass(frozen=True, slots=True)
class Guides:
    """What the units of a request ask for."""

    controls: tuple[dict[str, Any], ...] = ()
    """Items of the param `controls` of control_new.multi."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """Params of units that are no ControlNet: `style_reference` and `ip_adapter`."""
    resize_mode: Literal["fill", "cover", "pad"] = "cover"
    """How the images of the units get the shape of the result."""
    shows_maps: bool = True
    """Whether the control maps are among the images of the answer."""


def units_of(scripts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The enabled units of ControlNet. Raises InvalidParamsError for another script that is on."""
    units: list[Mapping[str, Any]] = []
    for name, script in scripts.items():
        arguments = script.get("args") if isinstance(script, Mapping) else script
        arguments = arguments if isinstance(arguments, list) else [arguments]
        if name.lower() == CONTROLNET_SCRIPT:
            units += [unit for unit in arguments if isinstance(unit, Mapping) and unit.get("enabled", True)]
        elif arguments and arguments[0] and name.lower() not in BUILT_IN:
            raise InvalidParamsError(
                f"this server has no script {name!r}; leave it out, or send it with the first argument false",
                f"alwayson_scripts.{name}",
            )
    return [unit for unit in units if not _does_nothing(unit)]


def guides(units: Sequence[Mapping[str, Any]], catalog: Catalog, size: tuple[int, int], *, has_picture: bool) -> Guides:
    """size: width and height of the result. has_picture: whether units without an image take that of the request.

    Raises InvalidParamsError.
    """
    controls, params, modes = [], {}, set()
    for unit in units:
        module = str(unit.get("module") or "none").strip().lower()
        image = _image(unit)
        if image is None and not has_picture:
            raise InvalidParamsError("a ControlNet unit has no image; add `image` in base64", "alwayson_scripts.image")
        if module == REFERENCE_ONLY:
            params["style_reference"] = {"url": image, "style_fidelity": _number(unit, "threshold_a", 0.5)}
            continue
        if module.startswith(IP_ADAPTER):
            params["ip_adapter"] = {"url": image, "scale": min(_number(unit, "weight", 1.0), 1.0)}
            continue
        controls.append({"type": _controlnet(unit, catalog), "data": _data(unit, module, image, size)})
        modes.add(_choice(unit, "resize_mode", RESIZE_MODES, "cover"))
    if len(modes) > 1:
        raise InvalidParamsError(
            "the ControlNet units have different resize_mode; send the same for all", "resize_mode"
        )
    shows_maps = any(unit.get("save_detected_map", True) for unit in units)
    return Guides(tuple(controls), params, next(iter(modes), "cover"), shows_maps)


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
    low, high = _number(unit, "threshold_a", -1.0), _number(unit, "threshold_b", -1.0)
    if kind == "canny":
        named = {"low_threshold": int(low), "high_threshold": int(high)}
        return {name: min(max(value, 1), 255) for name, value in named.items() if value >= 0}
    if kind == "mlsd":
        named_scores = {"value_threshold": low, "distance_threshold": high}
        return {name: max(value, 0.01) for name, value in named_scores.items() if value >= 0}
    return {}


def _data(unit: Mapping[str, Any], module: str, image: str | None, size: tuple[int, int]) -> dict[str, Any]:
    kind = annotator_of(module)
    mode = _choice(unit, "control_mode", CONTROL_MODES, BALANCED)
    if mode == PROMPT_FIRST:
        raise InvalidParamsError(
            "control_mode 'My prompt is more important' is not offered; send 'Balanced' and a lower weight, or "
            "'ControlNet is more important'",
            "control_mode",
        )
    detect = resolution(unit.get("processor_res"), size if unit.get("pixel_perfect") else None)
    end = _number(unit, "guidance_end", _number(unit, "guidance", 1.0))
    return {
        "hint_url": image,
        "bypass_annotator": kind is None,
        "hint_annotator": kind,
        "control_strength": _number(unit, "weight", 1.0),
        "hint_start": _number(unit, "guidance_start", 0.0),
        "hint_end": end,
        "guess_mode": mode == CONTROL_FIRST or bool(unit.get("guessmode")),
        **({} if detect is None else {"detect_resolution": detect}),
        **thresholds(kind, unit),
    }


def _controlnet(unit: Mapping[str, Any], catalog: Catalog) -> str:
    """The name of the unit's ControlNet. Raises InvalidParamsError."""
    model = str(unit.get("model") or "").strip()
    if model.lower() in NO_CHOICE:
        kind = annotator_of(str(unit.get("module") or "none"))
        if kind is None:
            raise InvalidParamsError("a ControlNet unit has no model; /controlnet/model_list lists them", "model")
        return kind
    with contextlib.suppress(UnknownModelError):
        if (entry := catalog.find(model)).family == "controlnet":
            return entry.name
    if model.lower() in HINTS:
        return model.lower()
    names = sorted(entry.name for entry in catalog if entry.family == "controlnet")
    raise InvalidParamsError(f"there is no ControlNet {model!r}; there are: {', '.join(names) or 'none'}", "model")


def _image(unit: Mapping[str, Any]) -> str | None:
    """The image of a unit, under its present or older name. Raises InvalidParamsError."""
    value = unit.get("image") or unit.get("input_image")
    mask = unit.get("mask") or unit.get("mask_image")
    if isinstance(value, Mapping):
        mask, value = mask or value.get("mask"), value.get("image")
    if mask:
        raise InvalidParamsError("a mask of a ControlNet unit is not offered; send it as `mask` to img2img", "mask")
    return value if isinstance(value, str) and value else None


def _does_nothing(unit: Mapping[str, Any]) -> bool:
    return all(str(unit.get(name) or "none").strip().lower() in NO_CHOICE for name in ("module", "model"))


def _number(unit: Mapping[str, Any], name: str, default: float) -> float:
    value = unit.get(name)
    if value is None:
        return default
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) <= MAX_NUMBER:
        raise InvalidParamsError(f"{name} must be a number", name)
    return number


def _choice(unit: Mapping[str, Any], name: str, choices: Mapping[str, Any], default: Any) -> Any:
    value = unit.get(name)
    if value is None:
        return default
    key = str(value).strip().lower()
    if key in choices:
        return choices[key]
    if key in choices.values():
        return key
    raise InvalidParamsError(f"{name} {value!r} is unknown; there are: {', '.join(choices)}", name)
