"""Compresses what is large and is text."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MIN_BYTES = 4096
LEVEL = 5
"""Higher levels take twice the time for a tenth of the bytes."""
THREAD_BYTES = 32 << 10
"""From here on a thread compresses. This many bytes of JSON hold up other requests for 0.4 ms."""


class Compression:
    """Answers GET with gzip where the client accepts it. Images, parts of files and streams of events stay as they are.

    Answers to POST stay so too: some have images in base64, which take 0.1 s for a MB and stay large.

    The ETag of a compressed answer is weak, because a strong one stands for the very bytes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.compressed = GZipMiddleware(app, MIN_BYTES, LEVEL, THREAD_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match", "")

        async def send_with_weak_tag(message: Message) -> None:
            if message["type"] == "http.response.start":
                _weaken(MutableHeaders(scope=message), known)
            await send(message)

        await self.compressed(scope, receive, send_with_weak_tag)


def _weaken(headers: MutableHeaders, known: str) -> None:
    """A reply of 304 repeats the ETag as the client knows it: a cache keeps its copy only under the same one."""
    tag = headers.get("etag", "")
    if tag.startswith('"') and ("content-encoding" in headers or f"W/{tag}" in known):
        headers["ETag"] = f"W/{tag}"
        if "content-encoding" not in headers:
            headers.add_vary_header("Accept-Encoding")
