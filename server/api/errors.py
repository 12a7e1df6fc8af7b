"""The errors of our own API: one JSON shape for all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

_DESCRIPTIONS = {
    400: "The request cannot be read.",
    401: "The API key is missing, unknown or expired.",
    403: "The key does not allow this, or the signature of the link is wrong.",
    404: "Not found.",
    409: "The Idempotency-Key was used for another request, or the task is in no state for this.",
    410: "The resource has expired, or the task was lost with the logs.",
    413: "The body is too large.",
    416: "The requested range begins beyond the end of the file.",
    422: "The request is invalid; the message says what is wrong and how to correct it.",
    429: "Too many unfinished tasks (7001), submissions a minute, open requests or stored images.",
    500: "Internal error of the server.",
    503: "Temporarily unavailable; try again later.",
}


_JSON = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorReply"}}}


class ErrorDetail(BaseModel):
    code: str = Field(description="Stable code, for programs.", examples=["invalid_params"])
    message: str = Field(description="For people: what is wrong, and what to do.")
    field: str | None = Field(None, description="The part of the request that is wrong, if it is one field.")


class ErrorReply(BaseModel):
    error: ErrorDetail


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """Why a request is refused. Each wire format writes it in its own shape."""

    status: int
    code: str
    message: str
    field: str | None = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    details: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Further fields of our own API's answer, beside `error`."""

    def response(self) -> JSONResponse:
        detail = ErrorDetail(code=self.code, message=self.message, field=self.field)
        body = ErrorReply(error=detail).model_dump(exclude_none=True)
        return JSONResponse(body | dict(self.details), self.status, dict(self.headers))


def error_responses(*statuses: int, stream: bool = False) -> dict[int | str, dict[str, Any]]:
    """The `responses` argument of a route that may answer with these errors.

    500 is added always, and 403 where 401 is possible. `stream`: the route does not return JSON itself, so its errors
    must declare their content type.
    """
    all_statuses = {*statuses, 500} | ({403} if 401 in statuses else set())
    body = {"content": _JSON} if stream else {"model": ErrorReply}
    return {status: {"description": _DESCRIPTIONS[status], **body} for status in sorted(all_statuses)}
