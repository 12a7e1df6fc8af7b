"""Makes a longer prompt of a short one before a task is submitted, for dialects whose clients expect it."""

from __future__ import annotations

import asyncio
import logging
from typing import Literal

from models.kinds import families_of
from models.kinds.prompt_enhancer import PROMPT_ENHANCER
from server.llm import LLMError
from server.prompts.writer import write_prompts
from server.services import Services
from server.task import Priority, Status
from server.tasks.prompts.audit import PromptAudit
from server.tasks.submission import Submission, submit
from server.tasks.waiting import cancel_all, wait_for_end

log = logging.getLogger(__name__)
MagicPrompt = Literal["AUTO", "ON", "OFF"]
MAGIC_PROMPT = "magic_prompt"
"""What a moderation service is told instead of a task type."""
SHORT = 12
"""AUTO changes prompts with fewer words."""
LATE_S = 3.0
"""A prompt enhancer that takes longer is not waited for."""


async def magic_prompt(services: Services, tenant: str, prompt: str, magic: MagicPrompt) -> str:
    """The prompt to paint: by the language model, else by a prompt enhancer, else as it is.

    The enhancer of the toys has random weights, so it is not used. Raises UnsafeTextError, AuditUnavailableError for
    words that the language model must not hide from the audit of the task.
    """
    if magic == "OFF" or (magic == "AUTO" and len(prompt.split()) >= SHORT):
        return prompt
    if services.llm.offered:
        prompt = await PromptAudit.of(services, tenant, MAGIC_PROMPT).checked(prompt)
        try:
            [written] = await write_prompts(services.llm, prompt)
        except LLMError as error:
            log.warning("a prompt stays as it is: %s", error)
        else:
            return written
    return await _continued(services, tenant, prompt) or prompt


async def _continued(services: Services, tenant: str, prompt: str) -> str:
    """What a prompt enhancer makes of it; empty if there is none, or it fails or takes too long."""
    enhancer = next((model for model in services.catalog if model.family in families_of(PROMPT_ENHANCER)), None)
    if enhancer is None or enhancer.is_toy:
        return ""
    params = {"text": prompt, "model": enhancer.name}
    priority: Priority | None = "high" if "high" in services.tenants.policy(tenant).priorities else None
    submission = Submission(type="txt2txt.prompt_enhance", params=params, tenant=tenant, priority=priority)
    try:
        view = await submit(services, submission)
        manifest = await asyncio.wait_for(wait_for_end(services, view), LATE_S)
    except TimeoutError:
        await cancel_all(services, [view])
        return ""
    except Exception as error:  # whatever refuses the inner task must not refuse the outer one
        log.warning("a prompt stays as it is: %s", error)
        return ""
    answer = manifest.outcome.answer or {}
    return answer["prompts"][0] if manifest.outcome.status is Status.SUCCEEDED and answer.get("prompts") else ""
