"""Measures and traces requests."""

from __future__ import annotations

import time
from dataclasses import dataclass

from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.observability.metrics import REQUEST_SECONDS
from server.observability.tracing import span

_UNTRACED = ("/healthz", "/readyz", "/metrics")


@dataclass(frozen=True, slots=True)
class TracingMiddleware:
    """Makes each request a span, a child of the sender's span if there is one. Probes and scrapes are not traced."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _UNTRACED:
            await self.app(scope, receive, send)
            return
        method, parent = scope["method"], Headers(scope=scope).get("traceparent", "")
        with span(method, parent, SpanKind.SERVER, **{"http.request.method": method}) as current:

            async def send_traced(message: Message) -> None:
                if "status" in message:
                    route = getattr(scope.get("route"), "path", "other")
                    current.update_name(f"{method} {route}")
                    current.set_attributes({"http.route": route, "http.response.status_code": message["status"]})
                await send(message)

            await self.app(scope, receive, send_traced)


@dataclass(frozen=True, slots=True)
class RequestTimer:
    """Measures each request under the template of its route, so that ids do not become labels."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        started, status = time.perf_counter(), 500

        async def send_observed(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, send_observed)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            REQUEST_SECONDS.labels(scope["method"], route, status).observe(time.perf_counter() - started)
