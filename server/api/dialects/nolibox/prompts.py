"""Translates a prompt without a task, which clients of that API do before they submit one."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from pipelines.pipeline import MAX_TEXT
from server.api.dependencies import ServicesDep, Submitter
from server.api.dialects.nolibox.push import NoliboxRoute
from server.api.errors import Problem
from server.audit.text_audit import UnsafeTextError
from server.queue import RateLimitError
from server.services import Services
from server.tasks.prompts.audit import PromptAudit
from server.tasks.prompts.text import prepare_text
from server.tenancy.auth import Caller

NO_TRANSLATOR = (
    "this server does not translate it: write English, or send need_translate false if the model understands this "
    "language"
)

GET_PROMPT = "get_prompt"
"""What a moderation service is told instead of a task type."""


class PromptBody(BaseModel):
    text: str = Field(max_length=MAX_TEXT)
    need_translate: bool = Field(True, description="Whether the text may need a translation into English.")


class PromptReply(BaseModel):
    text: str = Field(description="The prompt in English; as it was sent, if `success` is false.")
    success: bool
    reason: str = Field(
        description="Why not, if `success` is false; else empty. The audit answers with a label: `sexual/explicit`."
    )


class PromptRateError(RateLimitError):
    """The tenant sends prompts faster than its rate limit."""

    def __init__(self, error: RateLimitError, per_minute: float) -> None:
        super().__init__(per_minute, error.retry_after_s)
        self.args = (f"rate limit: {per_minute:g} prompts a minute; try again in {error.retry_after_s:.1f} seconds",)


class PromptRoute(NoliboxRoute):
    """Takes a token of the tenant's rate limit for prompts before the body is read."""

    async def admit(self, request: Request, services: Services, caller: Caller) -> None:
        """Raises MissingScopeError, PromptRateError."""
        caller.require("submit")
        rate = services.tenants.policy(caller.tenant).prompt_rate
        if rate is None:
            return
        try:
            await services.queue.spend(f"{caller.tenant}:prompt", rate.per_minute, rate.burst)
        except RateLimitError as error:
            raise PromptRateError(error, rate.per_minute) from error

    @staticmethod
    def refuse(problem: Problem) -> Response:
        reply = PromptReply(text="", success=False, reason=problem.message)
        return JSONResponse(reply.model_dump(), problem.status, dict(problem.headers))


REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": PromptReply, "description": "Refused; `reason` tells why."}
    for status in (400, 401, 403, 413, 422, 429, 500, 503)
}

router = APIRouter(route_class=PromptRoute, responses=REFUSED)


@router.post("/get_prompt")
@router.post("/translate", include_in_schema=False)
async def prepare_prompt(body: PromptBody, services: ServicesDep, tenant: Submitter) -> PromptReply:
    """Returns the prompt in English. Its syntax, such as weights and LoRAs, stays as it is."""
    text = body.text.strip()
    audit = PromptAudit.of(services, tenant, GET_PROMPT)
    try:
        sent = await audit.checked(text)
        if not body.need_translate:
            return PromptReply(text=sent, success=True, reason="")
        translation = await prepare_text(services, sent)
        if translation.untranslated:
            reason = f"{translation.untranslated!r} is not English, and {NO_TRANSLATOR}"
            return PromptReply(text=sent, success=False, reason=reason)
        return PromptReply(text=await audit.checked(translation.text), success=True, reason="")
    except UnsafeTextError as error:
        return PromptReply(text=text, success=False, reason=error.reason)
