"""Submission in this dialect. What that API found only while a task ran becomes a task that has failed.

Its clients do not expect a refusal: they read `uid` at once, and ask for the status of the task.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

import pipelines
from models.catalog.catalog import MisfitError, UnknownModelError
from pipelines import UnknownTaskTypeError
from pipelines.unsupported import UnsupportedTaskTypeError
from server.api.dialects.dialect import DialectRoute
from server.api.dialects.nolibox.params import translate_params
from server.api.dialects.nolibox.substitutes import round_size, use_installed_model
from server.api.errors import Problem
from server.api.problems import problem_of
from server.audit.text_audit import UnsafeTextError
from server.egress.client import EgressDeniedError
from server.queue import TaskLimitError
from server.services import Services
from server.task import Failure
from server.tasks.failed_submission import submit_failed
from server.tasks.input_images import BadInputError
from server.tasks.submission import InvalidParamsError, Submission, TooManyPixelsError, spend_token, submit
from server.tenancy.auth import Caller

NAME = "nolibox"

FOUND_BY_THE_RUN = (
    UnknownTaskTypeError,
    UnsupportedTaskTypeError,
    InvalidParamsError,
    TooManyPixelsError,
    UnknownModelError,
    MisfitError,
    BadInputError,
    EgressDeniedError,
)
"""What that API found only when a task ran."""


class PushBody(BaseModel):
    """Parameters may be in `params`, beside it, or in both places."""

    model_config = ConfigDict(extra="allow")

    task: str = Field(max_length=64, examples=["txt2img.sd"])
    params: dict[str, Any] = Field({}, examples=[{"text": "Roses", "w": 512, "h": 512}])
    notify_url: Annotated[str, BeforeValidator(lambda url: url or ""), Field(max_length=2048)] = ""


class PushReply(BaseModel):
    uid: str
    msg: str = Field(description="What was changed in the request, or why the task has failed; usually empty.")
    success: bool


class RefusedPush(PushReply):
    """`code` 7001 comes with HTTP 200 and means: too many unfinished tasks."""

    code: int | None = None
    message: str | None = None
    reason: str | None = Field(None, description="Comes with HTTP 200 and means: the prompt is not allowed, and why.")


class NoliboxRoute(DialectRoute):
    @staticmethod
    def refuse(problem: Problem) -> Response:
        body: dict[str, Any] = {"uid": "", "success": False, "msg": problem.message}
        if problem.code == str(TaskLimitError.code):
            message = "task limit"
            refusal = {**body, "code": TaskLimitError.code, "msg": message, "message": message}
            return JSONResponse(refusal, 200, dict(problem.headers))
        if problem.code == UnsafeTextError.code:
            return JSONResponse({**body, "msg": "unsafe prompt", **problem.details})
        return JSONResponse(body, problem.status, dict(problem.headers))


class PushRoute(NoliboxRoute):
    """Takes a token of the tenant's rate limit before the body is read."""

    async def admit(self, request: Request, services: Services, caller: Caller) -> None:
        """Raises MissingScopeError, RateLimitError."""
        caller.require("submit")
        await spend_token(services, caller.tenant, idempotency_key=None)


async def push_task(services: Services, tenant: str, body: PushBody, dialect: str = NAME) -> PushReply:
    """`dialect` is that of the callback.

    Raises TaskLimitError, UploadLimitError, RecordTooLargeError and the errors of services that are away.
    """
    beside = body.model_extra or {}
    submission = Submission(body.task, {}, tenant, callback_url=body.notify_url, dialect=dialect)
    try:
        params, notes = _params(services, body, beside)
        view = await submit(services, replace(submission, params=params))
    except FOUND_BY_THE_RUN as error:
        problem = problem_of(error)
        reason = problem.message.encode("utf-8", "replace").decode()
        task = await submit_failed(
            services, submission, body.params or beside, Failure(code=problem.code, message=reason)
        )
        return PushReply(uid=task.id, msg=reason, success=True)
    return PushReply(uid=view.task.id, msg="; ".join(notes), success=True)


def _params(services: Services, body: PushBody, beside: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The params to submit, and notes about what was changed in them. Raises UnknownTaskTypeError."""
    pipeline = pipelines.find(body.task)
    params = translate_params(pipeline, body.params, beside)
    sent_model = {**beside, **body.params}.get("model")
    params, model_notes = use_installed_model(params, pipeline, services.catalog, sent_model)
    params, size_notes = round_size(params, pipeline)
    return params, model_notes + size_notes
