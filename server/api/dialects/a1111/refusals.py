"""Errors in A1111's shape: its clients show `detail`, or the whole body."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from server.api.authenticated_route import SubmissionRoute
from server.api.dialects.dialect import DialectRoute
from server.api.errors import Problem


class A1111Error(BaseModel):
    error: str = Field(description="A stable code, for programs.")
    detail: str = Field(description="What is wrong, and what to do.")
    body: str = ""
    errors: str = Field(description="The same as `detail`.")


REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": A1111Error, "description": "Refused; `detail` tells why."}
    for status in (400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 503)
}


def refuse(problem: Problem) -> Response:
    body = A1111Error(error=problem.code, detail=problem.message, errors=problem.message)
    return JSONResponse(body.model_dump(), problem.status, dict(problem.headers))


class A1111Route(DialectRoute):
    @staticmethod
    def refuse(problem: Problem) -> Response:
        return refuse(problem)


class A1111SubmissionRoute(A1111Route, SubmissionRoute):
    """Takes a token of the tenant's rate limit before the body is read."""
