"""Prepares the prompts of a task before it is accepted, so that its log record has the words that will be painted.

The steps, in this order: audit of the words as sent; styles and dynamic prompts; longer prompts; translation; audit of
the translated words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipelines.params.prompts import prompts_of, with_prompts
from pipelines.pipeline import AnyPipeline, Params, Part
from server.services import Services


@dataclass(frozen=True, slots=True)
class PreparedPrompts:
    """The params of a task with the words for its models."""

    params: Params
    originals: Mapping[str, str] = field(default_factory=dict)
    """The prompts that were changed, as they were sent, by dotted path: `text`, `nodes.0.data.negative_prompt`."""
    notes: tuple[str, ...] = ()
    """What the caller should know, in sentences."""


@dataclass(slots=True)
class TaskPrompt:
    """One prompt of a task while it is prepared."""

    path: str
    """Its dotted path in the params of the task."""
    part: Part
    """The task or the node of a workflow that it belongs to."""
    original: str
    """As it was sent."""
    text: str
    """As it is now. A step changes it."""
    negative: bool
    """Whether it names what an image should not show."""


async def prepare_prompts(services: Services, pipeline: AnyPipeline, params: Params, tenant: str) -> PreparedPrompts:
    """The params with the words that the models will get. Raises ValidationError if they are no valid params."""
    prompts, notes = task_prompts(pipeline.parts(params)), list[str]()
    return _prepared(pipeline, params, prompts, notes)


def task_prompts(parts: Sequence[Part]) -> list[TaskPrompt]:
    """The prompts of a task. Those that are the result of another node are left out."""
    return [
        TaskPrompt(f"{part.path}.{path}".lstrip("."), part, prompt.text, prompt.text, prompt.negative)
        for part in parts
        for path, prompt in prompts_of(part.params).items()
        if path not in part.injected
    ]


def _prepared(
    pipeline: AnyPipeline, params: Params, prompts: Sequence[TaskPrompt], notes: Sequence[str]
) -> PreparedPrompts:
    changed = [prompt for prompt in prompts if prompt.text != prompt.original]
    if not changed:
        return PreparedPrompts(params, notes=tuple(notes))
    parts = {prompt.part.path: prompt.part for prompt in changed}
    texts = {prompt.path: prompt.text for prompt in changed}
    new = [replace(part, params=with_prompts(part.params, _inside(part.path, texts))) for part in parts.values()]
    # The worker validates the params again, so what it would refuse is found here.
    unchecked = pipeline.with_parts(params, new).model_dump(exclude_unset=True)
    checked: Params = pipeline.Params.model_validate(unchecked)
    return PreparedPrompts(checked, {prompt.path: prompt.original for prompt in changed}, tuple(notes))


def _inside(path: str, texts: Mapping[str, str]) -> dict[str, str]:
    """The texts of one part, by their path in its params."""
    begin = f"{path}." if path else ""
    return {name.removeprefix(begin): text for name, text in texts.items() if name.startswith(begin)}
