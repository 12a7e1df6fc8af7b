"""The audit of prompts: of the words as they were sent, and of the English that models get."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from server.audit.moderation_kinds import Subject
from server.audit.text_audit import TextAudit
from server.services import Services
from server.task import AuditTerms
from server.tasks.prompts.task_prompt import TaskPrompt


@dataclass(slots=True)
class PromptAudit:
    """Audits the prompts of one request. A text that it has seen is not judged again."""

    audit: TextAudit
    terms: AuditTerms
    subject: Subject
    reasons: dict[str, None] = field(default_factory=dict)
    """The labels of what was found, where it is no reason to refuse the request."""
    _judged: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, services: Services, tenant: str, task_type: str) -> Self:
        """By the terms of the tenant. There is no task yet, so its id is random."""
        terms = services.text_audit.terms(services.tenants.policy(tenant).audit)
        return cls(services.text_audit, terms, Subject(uuid.uuid4().hex, tenant, task_type))

    @property
    def is_off(self) -> bool:
        """Whether it judges nothing for this tenant."""
        return not self.terms.judges_texts

    async def check(self, prompts: Sequence[TaskPrompt]) -> None:
        """Takes out words where the terms say so. Raises UnsafeTextError, AuditUnavailableError.

        Negative prompts are left out: they say what is not to be seen.
        """
        masked = await self._masked({prompt.path: prompt.text for prompt in prompts if not prompt.negative})
        for prompt in prompts:
            if prompt.path in masked:
                prompt.original = prompt.text = masked[prompt.path]
                prompt.masked = True

    async def checked(self, text: str) -> str:
        """The text, without words where the terms say so. Raises UnsafeTextError, AuditUnavailableError."""
        return (await self._masked({"text": text})).get("text", text)

    async def _masked(self, texts: Mapping[str, str]) -> dict[str, str]:
        new = {path: text for path, text in texts.items() if text not in self._judged}
        audited = await self.audit.audit(new, self.terms, self.subject)
        self.reasons |= dict.fromkeys(audited.reasons)
        self._judged |= set(audited.texts.values())
        return {path: text for path, text in audited.texts.items() if text != texts[path]}
