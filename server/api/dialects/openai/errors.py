"""Errors in OpenAI's shape, with the statuses from which its clients choose the class of an exception."""

from __future__ import annotations

from typing import Literal

from fastapi import Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from server.api.dialects.dialect import DialectRoute
from server.api.errors import Problem
from server.audit.text_audit import UnsafeTextError
from server.task import Failure, Status

PARAMS = {
    "text": "prompt",
    "w": "size",
    "h": "size",
    "wh": "size",
    "url": "image",
    "images": "image",
    "mask_url": "mask",
    "num_samples": "n",
}
"""OpenAI's names of the params of tasks; others keep theirs."""
PARAMS_BY_CODE = {
    "too_many_pixels": "size",
    "unknown_model": "model",
    "model_mismatch": "model",
    "bad_model": "model",
    "bad_image": "image",
}
"""The parameter to blame for errors that name no field."""
BLOCKED = "moderation_blocked"
CODES = {
    UnsafeTextError.code: BLOCKED,
    "unauthorized": "invalid_api_key",
    "unknown_model": "model_not_found",
    "rate_limit": "rate_limit_exceeded",
    "too_many_requests": "rate_limit_exceeded",
    "7001": "rate_limit_exceeded",
    "invalid_params": "invalid_value",
    "invalid_request": "invalid_value",
}
"""OpenAI's codes for those of Hua; others keep theirs."""
TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
FAULTS_OF_REQUESTS = frozenset({"bad_input", "bad_model", "too_large"})
"""Codes of failed tasks for which the request is to blame."""
NO_RETRY = {"x-should-retry": "false"}
"""Keeps clients from sending a request again that would only paint and fail again."""

ErrorType = Literal[
    "invalid_request_error",
    "authentication_error",
    "permission_error",
    "rate_limit_error",
    "server_error",
    "image_generation_user_error",
]


class ErrorBody(BaseModel):
    message: str = Field(description="For people: what is wrong, and what to do.")
    type: ErrorType
    param: str | None = Field(description="The part of the request that is wrong, if it is one.")
    code: str | None = Field(description="For programs.")


class OpenAIErrorReply(BaseModel):
    error: ErrorBody


class OpenAIRoute(DialectRoute):
    @staticmethod
    def refuse(problem: Problem) -> Response:
        return refuse(problem)


def refuse(problem: Problem) -> Response:
    status = 400 if problem.status == 422 else problem.status
    retry = NO_RETRY if status == 409 or problem.code == "upload_limit" else {}
    return JSONResponse(error_reply(problem).model_dump(), status, {**problem.headers, **retry})


def error_reply(problem: Problem) -> OpenAIErrorReply:
    default: ErrorType = "server_error" if problem.status >= 500 else "invalid_request_error"
    if CODES.get(problem.code, problem.code) == BLOCKED:
        default = "image_generation_user_error"
    param = _param(problem)
    return OpenAIErrorReply(
        error=ErrorBody(
            message=_message(problem, param),
            type=TYPES.get(problem.status, default),
            param=param,
            code=CODES.get(problem.code, problem.code),
        )
    )


def failure_problem(status: Status, failure: Failure | None) -> Problem:
    """Why a task has no images."""
    if status is Status.CANCELED or failure is None:
        return Problem(409, "canceled", "the task was canceled; send the request again", headers=NO_RETRY)
    if failure.code in FAULTS_OF_REQUESTS:
        return Problem(400, failure.code, failure.message)
    return Problem(500, failure.code, failure.message, headers=NO_RETRY)


def blocked_problem(reason: str) -> Problem:
    """The audit has withheld all images."""
    message = f"the safety audit of this server has withheld every image ({reason}); change the prompt or the image"
    return Problem(400, BLOCKED, message)


def _message(problem: Problem, param: str | None) -> str:
    """The message, which may begin with the name of the field."""
    prefix = f"{problem.field}: "
    return f"{param}: {problem.message[len(prefix) :]}" if problem.message.startswith(prefix) else problem.message


def _param(problem: Problem) -> str | None:
    if problem.field is None:
        return PARAMS_BY_CODE.get(problem.code)
    name = problem.field.rpartition(".data.")[2].partition(".")[0]
    return PARAMS.get(name, name)
