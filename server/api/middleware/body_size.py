"""Limits the size of request bodies."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api.middleware.json_size import JsonSize

MAX_JSON_VALUES = 200_000
"""The largest requests are custom embeddings, with some ten thousand numbers."""
MAX_JSON_NAMES = 5000
"""A workflow of 32 tasks has some hundred names. Each name that is unknown costs ten times what a number costs."""
MAX_JSON_DEPTH = 64


@dataclass(frozen=True, slots=True)
class BodySizeLimit:
    """Refuses bodies over `max_bytes`, counted as they arrive, because Content-Length may be wrong.

    Also refuses JSON with too many values or names, or nested too deeply. To parse it, and to list what is wrong with
    it, takes thirty times its size and blocks all other requests; a thread does not help, because both hold the GIL.
    """

    app: ASGIApp
    max_bytes: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size, json_size = 0, JsonSize()
        is_json = scope["type"] == "http" and "json" in Headers(scope=scope).get("content-type", "").lower()

        async def receive_counted() -> Message:
            nonlocal size
            message = await receive()
            body: bytes = message.get("body", b"")
            size += len(body)
            if size > self.max_bytes:
                text = f"the body has more than {self.max_bytes} bytes; send less, or send images one by one"
                raise HTTPException(413, text)
            if is_json:
                _count(json_size, body)
            return message

        await self.app(scope, receive_counted, send)


def _count(size: JsonSize, body: bytes) -> None:
    """Raises HTTPException."""
    if b"\0" in body:  # JSON in UTF-16 or UTF-32
        raise HTTPException(400)
    size.add(body)
    for count, limit, subject in (
        (size.values, MAX_JSON_VALUES, "values"),
        (size.names, MAX_JSON_NAMES, "names"),
        (size.deepest, MAX_JSON_DEPTH, "levels of objects and arrays inside each other"),
    ):
        if count > limit:
            raise HTTPException(
                413, f"the body has more than {limit} {subject}; send less, or split it into several requests"
            )
