"""The styles that a task names: words around its prompts, LoRAs, a model, and params that the caller has not set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from models.catalog.catalog import Catalog
from models.catalog.style import Style
from models.suggestions import did_you_mean
from pipelines.pipeline import Params, Part
from server.tasks.prompts.task_prompt import PromptRefusedError, TaskPrompt

WORDS = {"text": False, "negative_prompt": True}
"""The prompts to which styles add words, and whether each is a negative one."""


def apply_styles(prompts: list[TaskPrompt], parts: Iterable[Part], catalog: Catalog) -> None:
    """Changes the prompts of all parts that name styles, in their order. Raises PromptRefusedError."""
    for part in parts:
        if names := _named(part):
            _apply(part, [_find(name, field, part, catalog) for name, field in names], prompts)


def _named(part: Part) -> list[tuple[str, str]]:
    """The names of styles, each with the param that has it."""
    own = part.pipeline.style_param
    names = [(getattr(part.params, own), own)] if own else []
    names += [(name, "styles") for name in getattr(part.params, "styles", ())]
    return [named for named in names if named[0]]


def _apply(part: Part, styles: list[Style], prompts: list[TaskPrompt]) -> None:
    styled = replace(part, params=_styled(part, styles))
    own = {prompt.path: prompt for prompt in prompts if prompt.part is part}
    for name, negative in WORDS.items():
        path = part.path_of(name)
        if path not in own and name in type(part.params).model_fields and name not in part.injected:
            own[path] = TaskPrompt(path, styled, "", "", negative)
            prompts.append(own[path])
    for prompt in own.values():
        prompt.part = styled
        for style in styles:
            if prompt.path == part.path_of("text"):
                prompt.text = style.full_prompt(prompt.text)
            elif prompt.path == part.path_of("negative_prompt"):
                prompt.text = style.full_negative_prompt(prompt.text)


def _styled(part: Part, styles: list[Style]) -> Params:
    """Without the names of the styles, so that the stored task does not get their words twice."""
    params: Params = part.params
    changes: dict[str, Any] = {"styles": ()} | ({part.pipeline.style_param: ""} if part.pipeline.style_param else {})
    loras: dict[str, float] = {}
    for style in styles:
        offered: Mapping[str, Any] = {**style.params, **({"model": style.model} if style.model else {})}
        unset = type(params).model_fields.keys() - params.model_fields_set
        changes |= {name: value for name, value in offered.items() if name in unset}
        loras |= style.loras
    if loras and "lora_scales" in type(params).model_fields:
        changes["lora_scales"] = {**loras, **(getattr(params, "lora_scales", None) or {})}
    return params.model_copy(update=changes)


def _find(name: str, field: str, part: Part, catalog: Catalog) -> Style:
    own = part.pipeline.own_styles if field == part.pipeline.style_param else {}
    if style := catalog.find_style(name) or own.get(name):
        return style
    names = list(dict.fromkeys((*own, *catalog.styles)))
    listed = f"there are: {', '.join(names[:20]) or 'none yet'}"
    advice = listed if own else did_you_mean(name, names) or listed
    raise PromptRefusedError(part.path_of(field), f"there is no {field.removesuffix('s')} {name!r}; {advice}")
