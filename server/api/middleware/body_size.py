"""Limits the size of request bodies."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_JSON_VALUES = 200_000
"""Far more than any task has."""
VALUE_MARKS = (b",", b"[", b"{")
"""One of these stands before almost every JSON value; an image in base64 has none of them."""


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
