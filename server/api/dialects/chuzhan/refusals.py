"""Errors in the shape of this API, and the class of its routes."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.datastructures import Headers

from server.api.authenticated_route import SubmissionRoute
from server.api.dialects.dialect import DialectRoute
from server.api.errors import Problem
from server.audit.text_audit import UnsafeTextError
from server.queue import TaskLimitError

PREFIX = "/aiapi"
UNSAFE_PROMPT = 1000
IN_THE_BODY = frozenset({400, 404, 409, 410, 422})
"""Statuses that clients of this API look for in `code`, under HTTP 200. Others are for proxies as well."""


class RefusedReply(BaseModel):
    code: int = Field(
        description="The HTTP status that Hua's own API has for it; 7001: too many unfinished tasks; 1 with "
        "`subCode` 1000: the prompt is not allowed."
    )
    success: bool = False
    msg: str = Field(description="What is wrong, and what to do.")
    data: None = None


class ChuzhanRoute(DialectRoute):
    @staticmethod
    def refuse(problem: Problem) -> Response:
        return refuse(problem)

    @staticmethod
    def authorization(headers: Headers) -> str | None:
        """The key is in Auth-Token, or in Authorization as in newer pages of that API."""
        token = headers.get("auth-token")
        return f"Bearer {token}" if token else headers.get("authorization")


class DrawRoute(SubmissionRoute, ChuzhanRoute):
    """A route that submits tasks."""


def refuse(problem: Problem) -> Response:
    known_address = problem.code not in ("not_found", "method_not_allowed")
    limited = problem.code == str(TaskLimitError.code)
    code = TaskLimitError.code if limited else 400 if problem.status == 422 else problem.status
    status = 200 if limited or (problem.status in IN_THE_BODY and known_address) else problem.status
    body = RefusedReply(code=code, msg=problem.message).model_dump()
    if problem.code == UnsafeTextError.code:
        body |= {"code": 1, "subCode": UNSAFE_PROMPT}
    return JSONResponse(body, status, dict(problem.headers))


REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": RefusedReply, "description": "Refused; `msg` tells why."}
    for status in (401, 403, 413, 429, 500, 503)
}
