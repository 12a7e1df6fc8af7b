"""The audit of a task's prompts: of the words as they were sent, and of the English that models get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from server.audit.moderation import Subject
from server.audit.text_audit import TextAudit
from server.task import AuditTerms
from server.tasks.task_prompt import TaskPrompt


@dataclass(slots=True)
class PromptAudit:
    """Audits the prompts of one task. Negative prompts are left out: they say what is not to be seen."""

    audit: TextAudit
    terms: AuditTerms
    subject: Subject
    reasons: dict[str, None] = field(default_factory=dict)
    """The labels of what was found, where it is no reason to refuse the task."""
    _judged: set[str] = field(default_factory=set)

    async def check(self, prompts: Sequence[TaskPrompt]) -> None:
        """Takes out words where the terms say so. Raises UnsafeTextError, AuditUnavailableError."""
        texts = {prompt.path: prompt.text for prompt in prompts if not prompt.negative}
        changed = await self._masked({path: text for path, text in texts.items() if text not in self._judged})
        for prompt in prompts:
            if prompt.path in changed:
                prompt.original = prompt.text = changed[prompt.path]
                prompt.masked = True
        self._judged |= set(texts.values()) | set(changed.values())

    async def _masked(self, texts: Mapping[str, str]) -> dict[str, str]:
        audited = await self.audit.audit(texts, self.terms, self.subject)
        self.reasons |= dict.fromkeys(audited.reasons)
        return {path: text for path, text in audited.texts.items() if text != texts[path]}
