"""The HTTP server: routes in, exceptions → status codes out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse
from fastapi.security import HTTPBasic, HTTPBearer
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute

from models.catalog.catalog import MisfitError, UnknownModelError
from pipelines import UnknownTaskTypeError
from pipelines.unsupported import UnsupportedTaskTypeError
from server.api import events, files, health, models, overview, pipelines, tasks, uploads, usage
from server.api.byte_ranges import UnsatisfiableRangeError
from server.api.dependencies import caller
from server.api.dialects import every
from server.api.dialects.dialect import DialectRoute
from server.api.errors import Problem
from server.api.middleware import BodySizeLimit, RequestTimer, SecurityHeaders, TracingMiddleware
from server.api.trusted_hosts import TrustedHosts
from server.broker import BrokerUnavailableError, RecordTooLargeError
from server.egress.client import EgressDeniedError
from server.images.codec import BadImageError
from server.observability.metrics import REQUESTS_REFUSED
from server.observability.tracing import tracing
from server.queue import QueueUnavailableError, RateLimitError, TaskLimitError
from server.services import Services, public_url
from server.storage.bucket import BucketUnavailableError
from server.storage.signed_links import BadSignatureError, LinkExpiredError
from server.tasks.callback_replay import NoCallbackError
from server.tasks.input_images import BadInputError
from server.tasks.lookup import UnknownTaskError
from server.tasks.submission import IdempotencyConflictError, InvalidParamsError, NotAllowedError, TooManyPixelsError
from server.tasks.validation_errors import complaint
from server.tenancy.auth import Keys, MissingScopeError, UnauthorizedError
from server.tenancy.usage_summary import Statements

log = logging.getLogger(__name__)
PAGE = Path(__file__).parent / "static"
FORM_OVERHEAD = 64 << 10
RETRY_AFTER_S = "2"

PROBLEMS: dict[type[Exception], tuple[int, str]] = {
    UnauthorizedError: (401, "unauthorized"),
    MissingScopeError: (403, "missing_scope"),
    NotAllowedError: (403, "not_allowed"),
    BadSignatureError: (403, "bad_signature"),
    UnknownTaskError: (404, "unknown_task"),
    UnknownTaskTypeError: (404, "unknown_task_type"),
    UnsupportedTaskTypeError: (422, "not_offered"),
    IdempotencyConflictError: (409, "idempotency_conflict"),
    NoCallbackError: (409, "no_callback"),
    LinkExpiredError: (410, "expired"),
    BadImageError: (422, "bad_image"),
    BadInputError: (422, "bad_input"),
    EgressDeniedError: (422, "url_not_allowed"),
    InvalidParamsError: (422, "invalid_params"),
    RecordTooLargeError: (422, "too_large"),
    UnsatisfiableRangeError: (416, "unsatisfiable_range"),
    TooManyPixelsError: (422, "too_many_pixels"),
    UnknownModelError: (422, "unknown_model"),
    MisfitError: (422, "model_mismatch"),
    uploads.NoFileError: (422, "no_file"),
    usage.PeriodError: (422, "bad_period"),
    RateLimitError: (429, "rate_limit"),
    TaskLimitError: (429, str(TaskLimitError.code)),
    BrokerUnavailableError: (503, "unavailable"),
    BucketUnavailableError: (503, "unavailable"),
    QueueUnavailableError: (503, "unavailable"),
    health.NotReadyError: (503, "not_ready"),
}
HTTP_WORDS = {
    400: ("unreadable", "the body cannot be read; send UTF-8 JSON, or a well-formed form"),
    404: ("not_found", "there is nothing at this address; /docs lists what there is"),
    413: ("body_too_large", ""),
    405: ("method_not_allowed", "this address does not take this method; the Allow header says which it takes"),
}
HEADERS = {
    401: {"WWW-Authenticate": 'Bearer, Basic realm="hua"'},
    429: {"Retry-After": RETRY_AFTER_S},
    503: {"Retry-After": RETRY_AFTER_S},
}


def create_app(services: Services) -> FastAPI:
    """Raises SettingsError for API keys, or a tenants file, that cannot be read."""
    app = FastAPIOffline(
        title="Hua",
        summary="Images from words, on your own machines.",
        docs_url="/docs",
        redoc_url="/redoc",
        version=_version(),
    )
    app.state.services = services
    app.state.statements = Statements(services.bucket)
    _add_routes(app, services.tenants.keys)
    for kind in (*PROBLEMS, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _refuse)
    app.add_middleware(BodySizeLimit, most=services.settings.max_upload + FORM_OVERHEAD)
    if _open_to_this_machine(services):
        app.add_middleware(TrustedHosts, own=urlsplit(public_url(services.settings)).hostname or "")
    app.add_middleware(SecurityHeaders, images_from=services.bucket.public_origin)
    app.add_middleware(RequestTimer)
    if tracing():
        app.add_middleware(TracingMiddleware)
    if services.settings.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=services.settings.cors,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=("Authorization", "Content-Type", "Idempotency-Key", "Prefer"),
            expose_headers=("Location", "Preference-Applied", "Retry-After"),
        )
    return app


def _open_to_this_machine(services: Services) -> bool:
    """Whether it needs no key because nobody else can connect."""
    settings = services.settings
    return services.tenants.keys.anonymous and settings.loopback and not settings.allow_anonymous


def _add_routes(app: FastAPI, keys: Keys) -> None:
    app.router.routes.extend(_api_routes(keys.anonymous))
    app.mount("/page", StaticFiles(directory=PAGE), name="page")

    @app.get("/", include_in_schema=False)
    async def show_page() -> FileResponse:
        return FileResponse(PAGE / "index.html")


@cache
def _api_routes(anonymous: bool) -> Sequence[BaseRoute]:
    """The routes of all modules. FastAPI prepares them at their first request, which takes 0.3 s: apps share them."""
    router, guard = APIRouter(), _guard(anonymous)
    for module in (tasks, events, pipelines, models, uploads, usage, overview):
        router.include_router(module.router, dependencies=guard)
    for dialect in every():
        router.include_router(dialect.router, dependencies=guard)
    for unguarded in (files, health):
        router.include_router(unguarded.router)
    return router.routes


def _guard(anonymous: bool) -> list[Any]:
    """Every route asks for the caller; the OpenAPI document mentions keys only where there are some."""
    guard = [Depends(caller)]
    if not anonymous:
        guard += [Depends(HTTPBearer(auto_error=False)), Depends(HTTPBasic(auto_error=False))]
    return guard


async def _refuse(request: Request, error: Exception) -> Response:
    problem = _problem(error)
    if problem.status == 500:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    route = request.scope.get("route")
    REQUESTS_REFUSED.labels(getattr(route, "path", "other"), problem.code).inc()
    return route.refuse(problem) if isinstance(route, DialectRoute) else problem.reply()


def _problem(error: Exception) -> Problem:
    """What an exception means to a client."""
    if isinstance(error, RequestValidationError):
        field, message = complaint(error.errors())
        return Problem(422, "invalid_request", message, field or None)
    if isinstance(error, HTTPException):
        code, message = HTTP_WORDS.get(error.status_code, ("http", error.detail))
        return Problem(error.status_code, code, message or error.detail, headers=dict(error.headers or {}))
    row = next((PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS), None)
    if row is None:
        return Problem(500, "internal", "this is a fault of the server; its log says more")
    status, code = row
    where: str = getattr(error, "field", "")
    headers: dict[str, str] = getattr(error, "headers", HEADERS.get(status, {}))
    return Problem(status, code, str(error), where or None, headers)


def _version() -> str:
    from importlib.metadata import version

    return version("hua")
