"""The scripts that a request brings (`alwayson_scripts`): which are on, and what they are here.

Clients send the scripts of their web UI whether they use them or not, so one that is off is accepted, whatever it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from server.api.dialects.a1111.controlnet.unit_fields import Unit, image_of, is_on, text_of
from server.tasks.submission import InvalidParamsError

SAMPLER_FIELDS = ("steps", "sampler_name", "scheduler")
VARIATION_FIELDS = ("subseed", "subseed_strength", "seed_resize_from_w", "seed_resize_from_h")
WITHOUT_SWITCH = frozenset({"sampler", "seed", "extra options", "comments"})
"""Scripts of the web UI itself that are never off. The first two set fields of the request, the others its page."""
CONTROLNET = "controlnet"
ADVICE = {
    "refiner": "paint with one checkpoint",
    "soft inpainting": "a large mask_blur fades the edge",
}


def fields_set_by(scripts: Any) -> dict[str, Any]:
    """The fields of a request that its scripts Sampler and Seed set."""
    fields: dict[str, Any] = {}
    for name, arguments in _scripts(scripts):
        if name.lower() == "sampler":
            fields |= zip(SAMPLER_FIELDS, arguments, strict=False)
        elif name.lower() == "seed":
            fields |= zip(("seed",), arguments, strict=False)
            if len(arguments) > 1 and is_on(arguments[1]):
                fields |= zip(VARIATION_FIELDS, arguments[2:], strict=False)
    return {name: value for name, value in fields.items() if value is not None}


def units_of(scripts: Mapping[str, Any]) -> list[Unit]:
    """The enabled units of ControlNet. Raises InvalidParamsError for another script that is on."""
    units: list[Unit] = []
    for name, arguments in _scripts(scripts):
        if name.lower() == CONTROLNET:
            units += _enabled_units(scripts[name], arguments)
        elif name.lower() not in WITHOUT_SWITCH and _switched_on(arguments):
            raise InvalidParamsError(
                f"this server has no script {name!r}; leave it out, or send it with the first argument false"
                + (f"; {ADVICE[name.lower()]}" if name.lower() in ADVICE else ""),
                f"alwayson_scripts.{name}",
            )
    return units


def _scripts(scripts: Any) -> Iterator[tuple[str, list[Any]]]:
    """The name and the arguments of each script."""
    for name, script in scripts.items() if isinstance(scripts, Mapping) else ():
        arguments = script.get("args") if isinstance(script, Mapping) else script
        yield name, [] if arguments is None else arguments if isinstance(arguments, list) else [arguments]


def _switched_on(arguments: list[Any]) -> bool:
    """The first boolean is the switch of most scripts. Without one, any unit of settings that is on counts."""
    switches = [each for each in arguments if isinstance(each, bool)]
    if switches:
        return switches[0]
    settings = [each for each in arguments if isinstance(each, Mapping)]
    return any(map(_has_effect, settings)) if settings else bool(arguments) and is_on(arguments[0])


def _has_effect(settings: Mapping[str, Any]) -> bool:
    switches = [value for name, value in settings.items() if name.lower().endswith(("enable", "enabled"))]
    models = [name for name in settings if name.lower() in ("model", "ad_model")]
    return all(map(is_on, switches)) and all(text_of(settings, name) for name in models) and bool(settings)


def _enabled_units(script: Any, arguments: list[Any]) -> Iterator[Unit]:
    """Older versions of the extension have booleans before the units. Raises InvalidParamsError."""
    if isinstance(script, Mapping) and script and "args" not in script:
        raise InvalidParamsError("ControlNet has no units; send them as its `args`", "alwayson_scripts.controlnet")
    for index, unit in enumerate(arguments):
        if unit is None or isinstance(unit, bool) or unit == {}:
            continue
        if not isinstance(unit, Mapping):
            raise InvalidParamsError(
                f"unit {index} of ControlNet is no object; send an object with image, module and model",
                f"alwayson_scripts.controlnet.args.{index}",
            )
        if is_on(unit.get("enabled", True)) and (text_of(unit, "module") or text_of(unit, "model") or image_of(unit)):
            yield unit
