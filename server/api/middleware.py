"""Middlewares: a limit on the body, security headers, a timer, a trace span."""

from __future__ import annotations

import time
from dataclasses import dataclass

from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.observability.metrics import REQUEST_SECONDS
from server.observability.tracing import span

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob: {images}; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; worker-src blob:; base-uri 'none'; frame-ancestors 'none'"
)
MAX_JSON_VALUES = 200_000
"""Far more than any task has."""
VALUE_MARKS = (b",", b"[", b"{")
"""One of these stands before almost every JSON value; an image in base64 has none of them."""
_UNTRACED = ("/healthz", "/readyz", "/metrics")
_DOCS = ("/docs", "/redoc")


@dataclass(frozen=True, slots=True)
class BodySizeLimit:
    """Refuses bodies over `max_bytes`, counted as they arrive, because Content-Length may be wrong.

    Also refuses JSON with too many values: parsed, it takes thirty times its size, and blocks all other requests.
    """

    app: ASGIApp
    max_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = values = 0
        is_json = scope["type"] == "http" and "json" in Headers(scope=scope).get("content-type", "").lower()

        async def receive_counted() -> Message:
            nonlocal size, values
            message = await receive()
            body: bytes = message.get("body", b"")
            size += len(body)
            if size > self.max_bytes:
                text = f"the body has more than {self.max_bytes} bytes; send less, or send images one by one"
                raise HTTPException(413, text)
            values += sum(map(body.count, VALUE_MARKS)) if is_json else 0
            if values > MAX_JSON_VALUES:
                text = f"the body has more than {MAX_JSON_VALUES} values; send less, or split it into several requests"
                raise HTTPException(413, text)
            return message

        await self.app(scope, receive_counted, send)


@dataclass(frozen=True, slots=True)
class SecurityHeaders:
    """Tells browsers to load nothing from other servers, and not to guess the type of a file.

    `images_from` is the origin to which links to images may redirect; empty if they do not.
    """

    app: ASGIApp
    images_from: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = _PAGE_POLICY.replace(" {images}", f" {self.images_from}" if self.images_from else "")
        policy = _DOCS_POLICY if scope.get("path", "").startswith(_DOCS) else page

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                headers["Content-Security-Policy"] = policy
            await send(message)

        await self.app(scope, receive, send_with_headers)


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
