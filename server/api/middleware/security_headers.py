"""Headers that restrict what browsers do with our responses."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob: {images}; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; worker-src blob:; base-uri 'none'; frame-ancestors 'none'"
)
_DOCS = ("/docs", "/redoc")


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
