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
from server.task import NO_AUDIT, AuditTerms
from server.tasks.prompts.audit import PromptAudit
from server.tasks.prompts.choices import choose_variants
from server.tasks.prompts.styles import apply_styles
from server.tasks.prompts.task_prompt import TaskPrompt
from server.tasks.prompts.translation import fold_prompts, translate_prompts
from server.tasks.prompts.written import fill_in_written_prompts

MASKED = "this server has taken words out of the prompt that it does not allow"


@dataclass(frozen=True, slots=True)
class PreparedPrompts:
    """The params of a task with the words for its models."""

    params: Params
    originals: Mapping[str, str] = field(default_factory=dict)
    """The prompts that were changed, as they were sent, by dotted path: `text`, `nodes.0.data.negative_prompt`."""
    notes: tuple[str, ...] = ()
    """What the caller should know, in sentences."""
    audit: AuditTerms = NO_AUDIT
    """How the results of the task are audited."""
    reasons: tuple[str, ...] = ()
    """Labels of what the audit found in the prompts."""


async def prepare_prompts(services: Services, pipeline: AnyPipeline, params: Params, tenant: str) -> PreparedPrompts:
    """The params with the words that the models will get.

    Raises PromptRefusedError, UnsafeTextError, AuditUnavailableError, LLMError, and ValidationError for params that the
    new words make invalid.
    """
    parts, notes = pipeline.parts(params), list[str]()
    prompts = task_prompts(parts)
    audit = PromptAudit.of(services, tenant, pipeline.names[0])
    await audit.check(prompts)
    apply_styles(prompts, parts, services.catalog)
    for _ in ("as written", "as chosen"):  # lines of wildcards may offer variants in full-width braces, too
        await fold_prompts(prompts, services.translator, services.catalog)
        await choose_variants(prompts, services.wildcards)
    await fill_in_written_prompts(prompts, services.llm)
    notes += await translate_prompts(prompts, services.translator, services.catalog)
    await audit.check(prompts)
    if any(prompt.masked for prompt in prompts):
        notes.append(MASKED)
    prepared = _prepared(pipeline, params, parts, prompts, notes)
    return replace(prepared, audit=audit.terms, reasons=tuple(audit.reasons))


def task_prompts(parts: Sequence[Part]) -> list[TaskPrompt]:
    """The prompts of a task. Those that are the result of another node are left out."""
    return [
        TaskPrompt(part.path_of(path), part, prompt.text, prompt.text, prompt.negative, prompt.limit)
        for part in parts
        for path, prompt in prompts_of(part.params).items()
        if path not in part.injected
    ]


def _prepared(
    pipeline: AnyPipeline,
    params: Params,
    sent: Sequence[Part],
    prompts: Sequence[TaskPrompt],
    notes: Sequence[str],
) -> PreparedPrompts:
    changed = [
        prompt for prompt in prompts if prompt.masked or prompt.text != prompt.original or prompt.part not in sent
    ]
    if not changed:
        return PreparedPrompts(params, notes=tuple(notes))
    parts = {prompt.part.path: prompt.part for prompt in changed}
    texts = {prompt.path: prompt.text for prompt in changed}
    new = [replace(part, params=with_prompts(part.params, _inside(part.path, texts))) for part in parts.values()]
    # The worker validates the params again, so what it would refuse is found here. Params of styles have the types of
    # YAML until then, about which pydantic would warn.
    unchecked = pipeline.with_parts(params, new).model_dump(exclude_unset=True, warnings=False)
    checked: Params = pipeline.Params.model_validate(unchecked)
    originals = {prompt.path: prompt.original for prompt in changed if prompt.text != prompt.original}
    return PreparedPrompts(checked, originals, tuple(notes))


def _inside(path: str, texts: Mapping[str, str]) -> dict[str, str]:
    """The texts of one part, by their path in its params."""
    begin = f"{path}." if path else ""
    return {name.removeprefix(begin): text for name, text in texts.items() if name.startswith(begin)}
