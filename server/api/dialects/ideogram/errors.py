"""Errors in Ideogram's shape, the header that carries the key, and the limit of open requests."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

from fastapi import HTTPException, Response
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from server.api.authenticated_route import SubmissionRoute
from server.api.dialects.dialect import DialectRoute
from server.api.errors import Problem
from server.tenancy.auth import UnauthorizedError
from server.tenancy.open_requests import OpenRequestsError

IN_FLIGHT = 10
"""Requests of one key that may wait at the same time in one API process."""
UNSAFE = ("unsafe_prompt", "moderation_blocked")
"""Codes of what the audit refuses."""
REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"description": "Refused; `error` tells why."} for status in (400, 401, 403, 409, 413, 422, 429, 500, 503)
}


def refuse(problem: Problem) -> Response:
    is_argument = problem.status == 422 and problem.code not in UNSAFE
    return JSONResponse({"error": problem.message}, 400 if is_argument else problem.status, dict(problem.headers))


class IdeogramRoute(SubmissionRoute, DialectRoute):
    """A route that submits tasks; the key is in the header Api-Key."""

    _open: ClassVar[Counter[str]] = Counter()

    @staticmethod
    def refuse(problem: Problem) -> Response:
        return refuse(problem)

    @staticmethod
    def authorization(headers: Headers) -> str | None:
        key = headers.get("api-key")
        return f"Bearer {key}" if key else headers.get("authorization")

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises UnauthorizedError, OpenRequestsError."""
        key = self.authorization(Headers(scope=scope)) or ""
        if self._open[key] >= IN_FLIGHT:
            raise OpenRequestsError(IN_FLIGHT)
        self._open[key] += 1
        try:
            await super().handle(scope, receive, send)
        finally:
            self._open[key] -= 1
            if not self._open[key]:
                del self._open[key]


class ForbiddenKeyRoute(IdeogramRoute):
    """A route that answers 403 to an unknown key at the official path. AiHubMix answers 401 below /ideogram."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises UnauthorizedError, HTTPException, OpenRequestsError."""
        try:
            await super().handle(scope, receive, send)
        except UnauthorizedError as error:
            if scope["path"].startswith("/ideogram/"):
                raise
            raise HTTPException(403, str(error)) from error
