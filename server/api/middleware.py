"""What surrounds every request: a limit on its body, headers on its answer, a measurement of its time, a span."""

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
MOST_VALUES, BEFORE_VALUES = 200_000, (b",", b"[", b"{")
"""Far more than any task holds; an image in base64 has none of these."""
_UNTRACED = ("/healthz", "/readyz", "/metrics")
_DOCS = ("/docs", "/redoc")


@dataclass(frozen=True, slots=True)
class BodySizeLimit:
    """Refuses bodies over `most` bytes, counted as they come: a Content-Length may lie. Also JSON of too many values,
    for it unfolds to thirty times its size, and nobody else is answered meanwhile."""

    app: ASGIApp
    most: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        read = values = 0
        is_json = scope["type"] == "http" and "json" in Headers(scope=scope).get("content-type", "").lower()

        async def counted() -> Message:
            nonlocal read, values
            message = await receive()
            body: bytes = message.get("body", b"")
            read += len(body)
            if read > self.most:
                raise HTTPException(413, f"the body is over {self.most} bytes; send less, or send images one by one")
            values += sum(map(body.count, BEFORE_VALUES)) if is_json else 0
            if values > MOST_VALUES:
                raise HTTPException(413, f"the body holds over {MOST_VALUES} values; send less, or in several requests")
            return message

        await self.app(scope, counted, send)


@dataclass(frozen=True, slots=True)
class SecurityHeaders:
    """Tells browsers to load nothing from outside this server, and to take no file for what it does not claim to be.

    `images_from` is where our links to images may redirect to.
    """

    app: ASGIApp
    images_from: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = _PAGE_POLICY.replace(" {images}", f" {self.images_from}" if self.images_from else "")
        policy = _DOCS_POLICY if scope.get("path", "").startswith(_DOCS) else page

        async def armored(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "no-referrer"
                headers["Content-Security-Policy"] = policy
            await send(message)

        await self.app(scope, receive, armored)


@dataclass(frozen=True, slots=True)
class TracingMiddleware:
    """Makes each request a span, and a part of what its sender says that it is; probes and scrapes are none."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _UNTRACED:
            await self.app(scope, receive, send)
            return
        method, sender = scope["method"], Headers(scope=scope).get("traceparent", "")
        with span(method, sender, SpanKind.SERVER, **{"http.request.method": method}) as current:

            async def noted(message: Message) -> None:
                if "status" in message:
                    route = getattr(scope.get("route"), "path", "other")
                    current.update_name(f"{method} {route}")
                    current.set_attributes({"http.route": route, "http.response.status_code": message["status"]})
                await send(message)

            await self.app(scope, receive, noted)


@dataclass(frozen=True, slots=True)
class RequestTimer:
    """Observes each request under its route's template, so that ids do not become labels."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            REQUEST_SECONDS.labels(scope["method"], route, status).observe(time.perf_counter() - began)
