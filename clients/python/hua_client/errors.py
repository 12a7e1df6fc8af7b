"""What can go wrong. The text of each error is the sentence of the server, which says what to change."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hua_client.flow import Reply

if TYPE_CHECKING:
    from hua_client.base_task import BaseTask


class HuaError(Exception):
    """The base of all errors of this package."""


class ConnectionFailedError(HuaError):
    """The server did not answer, in all tries."""


class ApiError(HuaError):
    """The server refused a request."""

    def __init__(self, message: str, *, status: int, code: str, field: str | None, details: dict[str, Any]) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        """The HTTP status."""
        self.code = code
        """Stable, for programs: `invalid_params`, `rate_limit`, `7001`…"""
        self.field = field
        """The part of the request that is wrong, if it is one: `w`, `controls.0.hint_url`."""
        self.details = details
        """The whole JSON of the answer."""


class UnauthorizedError(ApiError):
    """401: the key is missing, unknown or expired."""


class ForbiddenError(ApiError):
    """403: the key, or the tenant, may not do this."""


class NotFoundError(ApiError):
    """404: there is no such task, model or task type."""


class ConflictError(ApiError):
    """409: the idempotency key was used for another request, or no room is left to keep images (`keep_limit`)."""


class GoneError(ApiError):
    """410: the image has expired, or the task was lost."""


class InvalidRequestError(ApiError):
    """400, 413, 422: the request is wrong or too large; `field` says which part."""


class LimitError(ApiError):
    """429: too many unfinished tasks, submissions a minute, open requests or stored images."""


class UnavailableError(ApiError):
    """502, 503, 504: the server, or what it needs, is away for a while."""


class ServerError(ApiError):
    """Any other refusal; 500 is a fault of the server."""


class TaskError(HuaError):
    """A task ended without a result."""

    def __init__(self, message: str, code: str, task: BaseTask[Any]) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        """Stable, for programs: `out_of_memory`, `bad_input`, `canceled`…"""
        self.task = task


class TaskFailedError(TaskError):
    """A task failed."""


class TaskCanceledError(TaskError):
    """A task was canceled."""


class WaitTimeoutError(HuaError, TimeoutError):
    """A task did not end in the time that the caller wanted to wait. It goes on."""


class WithheldError(HuaError):
    """The audit of the server withholds an image."""


class BadCallbackError(HuaError):
    """A callback was not sent by the server, was changed on its way, or is too old."""


_CLASSES: dict[int, type[ApiError]] = {
    400: InvalidRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    413: InvalidRequestError,
    422: InvalidRequestError,
    429: LimitError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}


def error_of(reply: Reply) -> ApiError:
    """The error that an answer means. Proxies on the way answer without Hua's JSON."""
    try:
        details = json.loads(reply.body)
        error = details["error"]
        message, code, field = str(error["message"]), str(error["code"]), error.get("field")
    except (ValueError, TypeError, KeyError):
        text = reply.body.decode(errors="replace")[:200].strip()
        details, field = {}, None
        message, code = f"the server answered {reply.status}{': ' * bool(text)}{text}", "http"
    kind = _CLASSES.get(reply.status, ServerError)
    return kind(message, status=reply.status, code=code, field=field, details=details)
