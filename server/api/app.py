"""The HTTP application: its routers, its middlewares, and one handler that turns exceptions into responses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse
from fastapi_offline import FastAPIOffline
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute

from server.api import events, health, overview, pipelines, tasks, uploads, usage
from server.api.dependencies import get_caller
from server.api.description import (
    KEY_SCHEMES,
    TAGS,
    change_document,
    describe_keys_as_optional,
    name_results,
    operation_id,
)
from server.api.dialects import every, refusal_below
from server.api.dialects.dialect import DialectRoute
from server.api.files import routes as files
from server.api.infotext import routes as infotext
from server.api.language import prompt_words, token_count
from server.api.middleware.body_size import BodySizeLimit
from server.api.middleware.compression import Compression
from server.api.middleware.security_headers import SecurityHeaders
from server.api.middleware.telemetry import RequestTimer, TracingMiddleware
from server.api.middleware.trusted_hosts import TrustedHosts
from server.api.models import routes as models
from server.api.problems import EXCEPTIONS, problem_of
from server.api.readiness import Readiness
from server.api.static.page_files import PAGE, PAGE_HEADERS, PageFiles
from server.api.tools import routes as tools
from server.observability.metrics import REQUESTS_REFUSED
from server.observability.tracing import tracing
from server.services import Services, public_url
from server.settings import Settings
from server.tenancy.open_requests import OpenRequests
from server.tenancy.usage_summary import UsageSummaries

log = logging.getLogger(__name__)
FORM_OVERHEAD_BYTES = 64 << 10

AUTHENTICATED_ROUTERS = (
    tasks.router,
    events.router,
    pipelines.router,
    models.router,
    tools.router,
    uploads.router,
    usage.router,
    overview.router,
    token_count.router,
    prompt_words.router,
    infotext.router,
    *(dialect.router for dialect in every()),
)
PUBLIC_ROUTERS = (files.router, health.router)
"""Result links are signed, and probes have no key."""


def create_app(services: Services) -> FastAPI:
    """Raises SettingsError for API keys, or a tenants file, that cannot be read."""
    app = FastAPIOffline(
        title="Hua",
        summary="Images from text, on your own machines.",
        openapi_tags=[{"name": name, "description": description} for name, description in TAGS.items()],
        servers=[{"url": services.settings.public_url.rstrip("/") or "/"}],
        docs_url="/docs",
        redoc_url="/redoc",
        version=version("hua"),
        middleware=_middlewares(services),
        exception_handlers=dict.fromkeys(EXCEPTIONS, _refuse),
    )
    change_document(app, name_results, *([describe_keys_as_optional] if services.tenants.keys.anonymous else []))
    app.state.services = services
    app.state.readiness = Readiness(services)
    app.state.large_bodies = asyncio.Lock()
    app.state.refreshes = asyncio.Lock()
    app.state.open_requests = OpenRequests(services.tenants, services.settings)
    app.state.usage_summaries = UsageSummaries(services.bucket)
    app.router.routes.extend(_routes())
    app.mount("/page", PageFiles(directory=PAGE / "page"), name="page")
    app.add_api_route("/", _show_page, include_in_schema=False, response_class=FileResponse)
    return app


def create_probes_app(services: Services) -> FastAPI:
    """Metrics and probes alone, for a port that clients do not reach."""
    app = FastAPI(openapi_url=None, exception_handlers=dict.fromkeys(EXCEPTIONS, _refuse))
    app.state.services, app.state.readiness = services, Readiness(services)
    app.include_router(health.router)
    return app


def _middlewares(services: Services) -> list[Middleware]:
    """All middlewares, the outermost first."""
    settings = services.settings
    return [
        *([_cors(settings)] if settings.cors else []),
        *([Middleware(TracingMiddleware)] if tracing() else []),
        Middleware(RequestTimer),
        Middleware(Compression),
        Middleware(SecurityHeaders, images_from=services.bucket.public_origin),
        *([Middleware(TrustedHosts, own_host=_own_host(settings))] if _needs_no_key(services) else []),
        Middleware(BodySizeLimit, max_bytes=settings.max_upload + FORM_OVERHEAD_BYTES),
    ]


def _cors(settings: Settings) -> Middleware:
    return Middleware(
        CORSMiddleware,
        allow_origins=settings.cors,
        allow_methods=("GET", "POST", "PUT", "DELETE"),
        allow_headers=("*",),  # clients of other systems send headers of their own
        expose_headers=("Location", "Preference-Applied", "Retry-After", "X-Total-Count"),
    )


def _own_host(settings: Settings) -> str:
    return urlsplit(public_url(settings)).hostname or ""


def _needs_no_key(services: Services) -> bool:
    """Whether no key is needed because only this machine can connect."""
    settings = services.settings
    return services.tenants.keys.anonymous and settings.loopback and not settings.allow_anonymous


@cache
def _routes() -> Sequence[BaseRoute]:
    """The routes of all routers. Apps share them, because FastAPI takes 0.3 s to prepare them at the first request."""
    root = APIRouter(generate_unique_id_function=operation_id)
    guard = [Depends(get_caller), *map(Depends, KEY_SCHEMES)]
    for router in AUTHENTICATED_ROUTERS:
        root.include_router(router, dependencies=guard)
    for router in PUBLIC_ROUTERS:
        root.include_router(router)
    return root.routes


async def _show_page() -> FileResponse:
    return FileResponse(PAGE / "index.html", headers=PAGE_HEADERS)


async def _refuse(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    if problem.status == 500:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    route = request.scope.get("route")
    REQUESTS_REFUSED.labels(getattr(route, "path", "other"), problem.code).inc()
    refuse = route.refuse if isinstance(route, DialectRoute) else refusal_below(request.url.path)
    return refuse(problem)
