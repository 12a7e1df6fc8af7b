"""What each exception means to a client: a status, a code and headers."""

from __future__ import annotations

from dataclasses import replace

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from models.catalog.catalog import BrokenModelError, MisfitError, UnknownModelError
from models.files.weights_error import WeightsError
from pipelines import UnknownTaskTypeError
from pipelines.unsupported import UnsupportedTaskTypeError
from server.api.authenticated_route import StoppingError
from server.api.errors import Problem
from server.api.files.byte_ranges import UnsatisfiableRangeError
from server.api.models.routes import ModelNotFoundError
from server.api.readiness import NotReadyError
from server.api.uploads import NoFileError, UnknownUploadError
from server.api.usage import PeriodError
from server.audit.text_audit import AuditUnavailableError, UnsafeTextError
from server.broker import BrokerUnavailableError, RecordTooLargeError
from server.egress.client import EgressDeniedError
from server.images.codec import BadImageError
from server.llm import LLMError, NoLLMError
from server.queue import QueueUnavailableError, RateLimitError, TaskLimitError
from server.storage.bucket import BucketUnavailableError
from server.storage.kept_images import ImagesGoneError, KeepLimitError, NoRetentionError
from server.storage.signed_links import BadSignatureError, LinkExpiredError
from server.tasks.callback_replay import NoCallbackError
from server.tasks.input_images import BadInputError
from server.tasks.lookup import LostTaskError, UnknownTaskError
from server.tasks.missing_models import MissingModelError
from server.tasks.priority_change import NotWaitingError
from server.tasks.retention import ImagesInUseError
from server.tasks.submission import IdempotencyConflictError, InvalidParamsError, TooManyPixelsError
from server.tasks.validation_errors import describe_errors
from server.tasks.waiting import ClientGoneError, FaultyTaskError, TaskFailedError, WithheldError
from server.tenancy.auth import MissingScopeError, UnauthorizedError
from server.tenancy.open_requests import OpenRequestsError
from server.tenancy.policy import NotAllowedError
from server.tenancy.uploads import UploadLimitError
from server.tools.field import ToolValueError
from server.tools.tools import UnknownToolError

RETRY_AFTER_S = "2"

STATUS_AND_CODE: dict[type[Exception], tuple[int, str]] = {
    UnauthorizedError: (401, "unauthorized"),
    MissingScopeError: (403, "missing_scope"),
    NotAllowedError: (403, "not_allowed"),
    BadSignatureError: (403, "bad_signature"),
    UnknownTaskError: (404, "unknown_task"),
    LostTaskError: (410, "task_lost"),
    ModelNotFoundError: (404, "unknown_model"),
    UnknownToolError: (404, "unknown_tool"),
    UnknownUploadError: (404, "unknown_upload"),
    UnknownTaskTypeError: (404, "unknown_task_type"),
    UnsupportedTaskTypeError: (422, "not_offered"),
    NoLLMError: (422, "not_offered"),
    LLMError: (503, "language_model_failed"),
    IdempotencyConflictError: (409, "idempotency_conflict"),
    NoCallbackError: (409, "no_callback"),
    ImagesInUseError: (409, "images_in_use"),
    NotWaitingError: (409, "not_waiting"),
    NoRetentionError: (409, "no_retention"),
    KeepLimitError: (409, "keep_limit"),
    ImagesGoneError: (410, "images_gone"),
    LinkExpiredError: (410, "expired"),
    BadImageError: (422, "bad_image"),
    BadInputError: (422, "bad_input"),
    EgressDeniedError: (422, "url_not_allowed"),
    InvalidParamsError: (422, "invalid_params"),
    ToolValueError: (422, "invalid_params"),
    RecordTooLargeError: (422, "too_large"),
    UnsafeTextError: (422, UnsafeTextError.code),
    UnsatisfiableRangeError: (416, "unsatisfiable_range"),
    TooManyPixelsError: (422, "too_many_pixels"),
    UnknownModelError: (422, "unknown_model"),
    BrokenModelError: (422, BrokenModelError.code),
    MisfitError: (422, "model_mismatch"),
    WeightsError: (422, "bad_model"),
    NoFileError: (422, "no_file"),
    PeriodError: (422, "bad_period"),
    RateLimitError: (429, "rate_limit"),
    TaskLimitError: (429, str(TaskLimitError.code)),
    UploadLimitError: (429, "upload_limit"),
    OpenRequestsError: (429, "too_many_requests"),
    BrokerUnavailableError: (503, "unavailable"),
    BucketUnavailableError: (503, "unavailable"),
    QueueUnavailableError: (503, "unavailable"),
    AuditUnavailableError: (503, "unavailable"),
    MissingModelError: (503, "no_worker_has_model"),
    NotReadyError: (503, "not_ready"),
    StoppingError: (503, "stopping"),
    ClientGoneError: (499, "client_gone"),
    FaultyTaskError: (422, "bad_input"),
    TaskFailedError: (500, "task_failed"),
    WithheldError: (422, "moderation_blocked"),
}
"""Subclasses of an exception have its status and code."""

HTTP_ERRORS = {
    400: ("unreadable", "the body cannot be read; send UTF-8 JSON, or a well-formed form"),
    404: ("not_found", "there is nothing at this address; /docs lists all addresses"),
    405: ("method_not_allowed", "this address does not support this method; the Allow header lists those it does"),
    413: ("body_too_large", ""),
}
"""Code and message of the errors that FastAPI and Starlette raise; an empty message keeps theirs."""

HEADERS = {
    401: {"WWW-Authenticate": 'Bearer, Basic realm="hua"'},
    429: {"Retry-After": RETRY_AFTER_S},
    503: {"Retry-After": RETRY_AFTER_S},
}
"""Headers by status, for exceptions that bring none."""

MAX_MESSAGE_LENGTH = 4000
"""In characters. Messages repeat names and values that callers send."""

EXCEPTIONS: tuple[type[Exception], ...] = (*STATUS_AND_CODE, RequestValidationError, HTTPException, Exception)
"""All exceptions that `problem_of` is to be called for."""


def problem_of(error: Exception) -> Problem:
    problem = _problem(error)
    if len(problem.message) <= MAX_MESSAGE_LENGTH:
        return problem
    return replace(problem, message=problem.message[:MAX_MESSAGE_LENGTH] + "…")


def _problem(error: Exception) -> Problem:
    if isinstance(error, RequestValidationError):
        field, message = describe_errors(error.errors())
        return Problem(422, "invalid_request", message, field or None)
    if isinstance(error, HTTPException):
        code, message = HTTP_ERRORS.get(error.status_code, ("http", error.detail))
        return Problem(error.status_code, code, message or error.detail, headers=dict(error.headers or {}))
    for kind in type(error).__mro__:
        if kind in STATUS_AND_CODE:
            return _known_problem(error, *STATUS_AND_CODE[kind])
    return Problem(500, "internal", "internal error of the server; its log says more")


def _known_problem(error: Exception, status: int, code: str) -> Problem:
    field: str = getattr(error, "field", "")
    headers: dict[str, str] = getattr(error, "headers", HEADERS.get(status, {}))
    return Problem(status, code, str(error), field or None, headers, getattr(error, "details", {}))
