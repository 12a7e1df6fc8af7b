"""A bad receiver of callbacks: it refuses some, delays some, and accepts some without an answer."""

from __future__ import annotations

import asyncio
import hashlib
import json
from random import Random

from tests.chaos.history import History

SLOW_S = 0.5


class Sink:
    """`failing` is the fraction of tries that get no 2xx."""

    def __init__(self, history: History, rng: Random, failing: float) -> None:
        self._history = history
        self._rng = rng
        self._failing = failing
        self.delivered: set[int] = set()

    async def start(self) -> str:
        """Its address."""
        self._server = await asyncio.start_server(self._receive, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            named = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
            body = await reader.readexactly(int(named["content-length"]))
            number = int(head[0].split()[1].strip("/"))
            writer.write(await self._answer(number, body, named["webhook-id"]))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, number: int, body: bytes, event: str) -> bytes:
        bad = self._rng.choice(("refused", "unanswered")) if self._rng.random() < self._failing else ""
        if self._rng.random() < 0.1:
            await asyncio.sleep(SLOW_S)
        status = _status(body)
        sha256 = hashlib.sha256(body).hexdigest()
        self._history.add("callback", number, sha256=sha256, event=event, status=status, taken=not bad)
        if bad == "unanswered":
            return b""
        if not bad:
            self.delivered.add(number)
        return b"HTTP/1.1 %d Told\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % (500 if bad else 200)


def _status(body: bytes) -> str:
    try:
        view = json.loads(body)
    except ValueError:
        return "unreadable"
    return str(view.get("status") or view.get("task", {}).get("status"))
