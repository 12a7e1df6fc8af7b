"""Parameters of Hua's own, and those of other servers with this wire format, among the further fields of a request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.suggestions import did_you_mean
from pipelines.pipeline import AnyPipeline
from server.api.dialects.openai.request import ImageRequest
from server.tasks.submission import InvalidParamsError

ALIASES = {
    "num_inference_steps": "num_steps",
    "steps": "num_steps",
    "cfg_scale": "guidance_scale",
    "sampler_name": "sampler",
}
"""Names that other servers have for params of tasks."""
SET_BY_THE_DIALECT = frozenset(
    {"text", "model", "version", "url", "mask_url", "w", "h", "wh", "resize_mode", "num_samples", "callback_url"}
)
"""Params of tasks that come from OpenAI's own fields."""
LORAS, STRENGTH = ("loras", "lora", "lora_scales"), "strength"
SIMILAR = 0.85
"""A name as similar as this to a known one is taken for a spelling mistake, and not for a field of another server."""


def own_params(request: ImageRequest, pipeline: AnyPipeline) -> dict[str, Any]:
    """The params of the task among the further fields of a request. Raises InvalidParamsError."""
    names = pipeline.Params.model_fields.keys() - SET_BY_THE_DIALECT
    known = {*names, *ALIASES, *LORAS, STRENGTH, *type(request).model_fields}
    params: dict[str, Any] = {}
    for name, value in (request.model_extra or {}).items():
        if name in LORAS:
            params["lora_scales"] = lora_scales(value)
        elif ALIASES.get(name, name) in names:
            params[ALIASES.get(name, name)] = value
        elif name == STRENGTH and "fidelity" in names:
            params["fidelity"] = _fidelity(value)
        elif name not in known and (hint := did_you_mean(name, known, cutoff=SIMILAR)):
            raise InvalidParamsError(f"{name} is unknown; {hint}", name)
    return params


def lora_scales(value: Any) -> dict[str, Any]:
    """The scales by name of `{name: scale}`, `[name, …]`, `[{name, scale}, …]` or `{name: …, scale: …}`.

    Raises InvalidParamsError.
    """
    if isinstance(value, Mapping) and "name" not in value:
        return dict(value)
    items = value if isinstance(value, list) else [value]
    scales: dict[str, Any] = {}
    for item in items:
        name = item.get("name") if isinstance(item, Mapping) else item
        if not isinstance(name, str):
            raise InvalidParamsError('loras must be {"NAME": SCALE}, or a list of names', LORAS[0])
        scales[name] = item.get("scale", 1.0) if isinstance(item, Mapping) else 1.0
    return scales


def _fidelity(strength: Any) -> float:
    """How closely the result follows the picture, for the strength of other servers, which is the opposite."""
    try:
        return round(1 - float(strength), 6)
    except (TypeError, ValueError, OverflowError):
        raise InvalidParamsError("strength must be a number from 0 to 1", STRENGTH) from None
