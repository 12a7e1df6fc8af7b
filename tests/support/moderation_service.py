"""A moderation service over real HTTP, which answers as a test says, or does not."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, Literal

HEAD_END = b"\r\n\r\n"


class ModerationService:
    """`answer` is sent to every request: JSON, bytes as they are, or nothing: the service hangs, or hangs up."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] | bytes | Literal["hang", "close"] = {"pass": True}
        self.status = 200
        self.requests: list[tuple[dict[str, str], dict[str, Any]]] = []
        """Headers, their names in lower case, and body of each request."""
        self.raw: list[bytes] = []
        """The bodies as they came."""
        self.asked = asyncio.Event()
        """Set at each request."""
        self.released = asyncio.Event()
        """Ends the wait of those that hang."""
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(HEAD_END)).decode("latin-1")
            path, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await reader.readexactly(int(headers["content-length"]))
            self.raw.append(body)
            self.requests.append((headers | {"path": path.split()[1]}, json.loads(body)))
            self.asked.set()
            if self.answer == "hang":
                await self.released.wait()
            elif self.answer != "close":
                data = self.answer if isinstance(self.answer, bytes) else json.dumps(self.answer).encode()
                writer.write(f"HTTP/1.1 {self.status} X\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def moderation_service() -> AsyncIterator[ModerationService]:
    service = ModerationService()
    server = await asyncio.start_server(service.serve, "127.0.0.1", 0)
    service.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/check"
    try:
        yield service
    finally:
        service.released.set()
        server.close()
        await server.wait_closed()
