"""A language model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Reply:
    """One answer of the endpoint."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    is_open: bool = False
    """The connection stays open after the body, until the client hangs up."""


def completion(text: Any) -> Reply:
    """A chat completion with this text."""
    return Reply(json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode())


class ChatServer:
    """Answers each request with `answer` of its body; None: it never answers. Keeps what it received."""

    def __init__(self, answer: Callable[[dict[str, Any]], Reply | None]) -> None:
        self.answer = answer
        self.received: list[dict[str, Any]] = []
        """The body of each request, with its headers in `headers` and its path in `path`."""
        self.url = ""
        self.left = asyncio.Event()
        """Set when a client has hung up in an open answer."""
        self._exchanges: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> ChatServer:
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await asyncio.gather(*self._exchanges)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._exchanges.append(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
            self.received.append({**body, "headers": headers, "path": head[0].split()[1]})
            reply = self.answer(body)
            if reply is None:
                await reader.read()  # until the client hangs up
                return
            sent = {"Content-Length": str(len(reply.body)), "Connection": "close", **reply.headers}
            lines = [f"HTTP/1.1 {reply.status} Status", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
            writer.write("\r\n".join(lines).encode() + reply.body)
            await writer.drain()
            if reply.is_open:
                await reader.read()
                self.left.set()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
