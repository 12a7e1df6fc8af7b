"""How our own API says no: one JSON shape for every error."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

_MEANINGS = {
    400: "The request could not be read.",
    401: "No API key, an unknown one, or one that has expired.",
    403: "The key may not be used for this, or the link's signature is wrong.",
    404: "There is no such thing.",
    409: "The Idempotency-Key was used for another request, or there is no callback to send.",
    410: "It was here and has expired.",
    413: "The body is too large.",
    416: "The part that was asked for begins beyond the end.",
    422: "Something in the request is wrong; the message says what, and what to do.",
    429: "Too many unfinished tasks (code 7001), or too many a minute; Retry-After says when to try again.",
    500: "A fault of the server.",
    503: "Not now; trying again later is right.",
}


_JSON = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorReply"}}}


class ErrorDetail(BaseModel):
    code: str = Field(description="For programs; stable.", examples=["invalid_params"])
    message: str = Field(description="For people: what was wrong, and what to do.")
    field: str | None = Field(None, description="Which part of the request is meant, where it is one.")


class ErrorReply(BaseModel):
    error: ErrorDetail


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """Why a request is refused, before it is put in anybody's words."""

    status: int
    code: str
    message: str
    field: str | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def reply(self) -> JSONResponse:
        detail = ErrorDetail(code=self.code, message=self.message, field=self.field)
        body = ErrorReply(error=detail).model_dump(exclude_none=True)
        return JSONResponse(body, self.status, dict(self.headers))


def error_responses(*statuses: int, stream: bool = False) -> dict[int | str, dict[str, Any]]:
    """These errors, and those that come with them, for a route's `responses`: any route may answer 500, and one that
    asks for a key may find it not good enough.

    `stream`: the route itself answers no JSON, so that its errors have to say that they are.
    """
    all_statuses = {*statuses, 500} | ({403} if 401 in statuses else set())
    body = {"content": _JSON} if stream else {"model": ErrorReply}
    return {status: {"description": _MEANINGS[status], **body} for status in sorted(all_statuses)}
