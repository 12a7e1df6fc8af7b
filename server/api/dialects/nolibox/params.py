"""Translates the params of a push into the parameters of Hua's task types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import AliasChoices

from models.kinds import CHECKPOINT_FAMILIES
from pipelines.pipeline import AnyPipeline
from server.api.dialects.nolibox.substitutes import DIFFUSION_MODELS

COMMON = frozenset(
    {"text", "negative_prompt", "auto_prompt", "w", "h", "max_wh", "seed", "variations", "fidelity", "strength"}
    | {"sampler", "num_steps", "guidance_scale", "clip_skip", "is_anime", "use_circular", "keep_alpha"}
    | {"disable_easy_negative", "tome_info", "return_arrays"}
)
"""Parameters that a task ignores if it does not have them.

The documents of that API have one table of parameters for all tasks, and many clients send one object with all of them.
An image or a mask is not ignored: a client that sends one means it.
"""

IGNORED = COMMON | {"use_seed", "promptInfo", "timestamp", "localModels"}
"""COMMON, and the parameters of that API's gateway."""

EMPTY = (None, "")


def translate_params(pipeline: AnyPipeline, params: Mapping[str, Any], envelope: Mapping[str, Any]) -> dict[str, Any]:
    """`params`, with the parameters that clients put into the `envelope` (some send them in both places).

    An empty value of a parameter that is no text means the default. Unknown names with a value stay: they are
    refused later.
    """
    fields = pipeline.Params.model_fields
    names = {*fields, *_aliases(pipeline)}
    sent = {name: value for name, value in envelope.items() if name in names} | dict(params)
    if "version" not in fields:
        if sent.get("model") in EMPTY and "version" in sent:
            sent["model"] = sent["version"]
        if "model" in fields and "model" in sent:
            sent.pop("version", None)
    if "prompt" in names and "prompt" in sent:
        sent.pop("text", None)
    if "use_raw_inpainting" in fields:
        sent = _from_spring_2023(sent)
    if "model" not in fields or not pipeline.families <= CHECKPOINT_FAMILIES:
        sent = {name: value for name, value in sent.items() if name != "model" or str(value) not in DIFFUSION_MODELS}
    return {
        name: value
        for name, value in sent.items()
        if (name in names or name not in IGNORED) and _has_meaning(pipeline, name, value)
    }


def _from_spring_2023(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Inpainting had other parameter names in spring 2023.

    `raw_inpainting_fidelity` is `fidelity`, except for an inpainting model, which ignored it. `ref_fidelity` has no
    effect without a `ref_url`.
    """
    renamed = {name: value for name, value in sent.items() if name != "raw_inpainting_fidelity"}
    if sent.get("use_raw_inpainting") and "raw_inpainting_fidelity" in sent:
        renamed.setdefault("fidelity", sent["raw_inpainting_fidelity"])
    if not renamed.get("ref_url"):
        renamed.pop("ref_fidelity", None)
    return renamed


def _has_meaning(pipeline: AnyPipeline, name: str, value: Any) -> bool:
    field = pipeline.Params.model_fields.get(name)
    if field is None:
        return bool(value)
    if value is None:  # null has a meaning only if it is allowed and is not the default
        return field.default is not None and type(None) in get_args(field.annotation)
    return value != "" or field.annotation is str


def _aliases(pipeline: AnyPipeline) -> set[str]:
    choices = [field.validation_alias for field in pipeline.Params.model_fields.values()]
    return {str(name) for alias in choices if isinstance(alias, AliasChoices) for name in alias.choices}
