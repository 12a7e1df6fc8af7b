"""The params of a push, as its clients send them, in the words of our task types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import AliasChoices

from models.catalog.entry import DIFFUSION
from pipelines.pipeline import AnyPipeline

COMMON = frozenset(
    {"text", "negative_prompt", "auto_prompt", "w", "h", "max_wh", "seed", "variations", "fidelity", "strength"}
    | {"sampler", "num_steps", "guidance_scale", "clip_skip", "is_anime", "use_circular", "keep_alpha"}
    | {"disable_easy_negative", "tome_info", "return_arrays"}
)
"""Its documents have one table of parameters for all tasks, and many clients one class for it, sent whole: a task
passes over what it has no use for. Not so a picture or a mask, which nobody sends who does not mean it."""

IGNORED = COMMON | {"use_seed", "promptInfo", "timestamp", "localModels"}
"""With what its gateway alone knows."""

PAINTERS = frozenset({"general", "anime", "art", "real", "3danime", "basic"})
"""The names of its models, all of which paint."""

NO_TEXT = (None, "")


def translated(pipeline: AnyPipeline, params: Mapping[str, Any], beside: Mapping[str, Any]) -> dict[str, Any]:
    """`params`, with what clients put `beside` them in the envelope (some send everything in both places).

    An empty value where no text is meant asks for the default; unknown names with a value are left to be refused.
    """
    fields = pipeline.Params.model_fields
    names = {*fields, *_aliases(pipeline)}
    sent = {name: value for name, value in beside.items() if name in names} | dict(params)
    if "version" not in fields:
        if sent.get("model") in NO_TEXT and "version" in sent:
            sent["model"] = sent["version"]
        if "model" in fields and "model" in sent:
            sent.pop("version", None)
    if "prompt" in names and "prompt" in sent:
        sent.pop("text", None)
    if "use_raw_inpainting" in fields:
        sent = _of_spring(sent)
    if "model" not in fields or not pipeline.families <= DIFFUSION:
        sent = {name: value for name, value in sent.items() if name != "model" or str(value) not in PAINTERS}
    return {
        name: value
        for name, value in sent.items()
        if (name in fields or name not in IGNORED) and _says_something(pipeline, name, value)
    }


def _of_spring(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Painting had other names in spring 2023: `raw_inpainting_fidelity` is `fidelity`, but for the inpainting model,
    which did not know it; of `ref_fidelity` nothing is felt without a `ref_url`."""
    renamed = {name: value for name, value in sent.items() if name != "raw_inpainting_fidelity"}
    if sent.get("use_raw_inpainting") and "raw_inpainting_fidelity" in sent:
        renamed.setdefault("fidelity", sent["raw_inpainting_fidelity"])
    if not renamed.get("ref_url"):
        renamed.pop("ref_fidelity", None)
    return renamed


def _says_something(pipeline: AnyPipeline, name: str, value: Any) -> bool:
    field = pipeline.Params.model_fields.get(name)
    if field is None:
        return bool(value)
    if value is None:  # of a parameter that may be null, and is not so by default, it says something
        return field.default is not None and type(None) in get_args(field.annotation)
    return value != "" or field.annotation is str


def _aliases(pipeline: AnyPipeline) -> set[str]:
    choices = [field.validation_alias for field in pipeline.Params.model_fields.values()]
    return {str(name) for alias in choices if isinstance(alias, AliasChoices) for name in alias.choices}
