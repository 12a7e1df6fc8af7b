"""A receiver of callbacks that misbehaves holds up nobody else's."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from datetime import datetime

from benchmarks.promises.trial import Figure, Trial, accepted, quantile, trial

PHASE_S, A_SECOND, SLOW_S = 60.0, 8.0, 30.0
DELIVERED_S = 120.0
WORSE = 1.1
OK, FAULT = (b"HTTP/1.1 %d Told\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status for status in (200, 500))


class Receiver:
    """One host. `mode` is up, half (a 500 to every second), slow, or down: then nobody listens."""

    def __init__(self) -> None:
        self.mode = "up"
        self.taken: dict[str, float] = {}
        """Task ids by how long after its end the callback was taken, in seconds."""
        self._port = self._tries = 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Receiver]:
        await self.listen()
        try:
            yield self
        finally:
            await self.leave()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/"

    async def listen(self) -> None:
        self.mode = "up"
        self._server = await asyncio.start_server(self._receive, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def leave(self) -> None:
        self.mode = "down"
        self._server.close()
        await asyncio.sleep(0)

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            body = await reader.readexactly(int(head.partition(b"content-length: ")[2].split()[0]))
            self._tries += 1
            if self.mode == "slow":
                await asyncio.sleep(SLOW_S)
            fault = self.mode == "half" and self._tries % 2
            writer.write(FAULT if fault else OK)
            await writer.drain()
            if not fault:
                view = json.loads(body)
                ended = datetime.fromisoformat(view["finished_at"]).timestamp()
                self.taken.setdefault(view["id"], time.time() - ended)
        writer.close()


async def isolation(scale: float) -> Figure:
    """Half of all callbacks go to a host that is up, down, faulty, slow in turn; the other half to one that is well."""
    seconds, p95, ids = max(PHASE_S * scale, 5), dict[str, float](), list[str]()
    async with Receiver().open() as ill, Receiver().open() as well, trial(workers=2) as one:
        for mode in ("up", "down", "half", "slow"):
            await (ill.leave() if mode == "down" else _set(ill, mode))
            before = len(well.taken)
            ids += await _phase(one, ill, well, seconds)
            p95[mode] = quantile(list(well.taken.values())[before:], 0.95)
            await (ill.listen() if mode == "down" else asyncio.sleep(0))
        ill.mode = "up"
        began = time.monotonic()
        while len(ill.taken) + len(well.taken) < len(ids) and time.monotonic() - began < DELIVERED_S:
            await asyncio.sleep(0.2)
        missing = len(set(ids) - set(ill.taken) - set(well.taken))
    shown = ", ".join(f"{mode} {1000 * value:.0f} ms" for mode, value in p95.items())
    return Figure(
        f"{len(ids)} callbacks, {seconds:.0f} s of each: {missing} not delivered after; p95 from a task's end to its "
        f"callback at the host that is well, by how the other is: {shown}",
        not missing and all(value <= WORSE * p95["up"] for value in p95.values()),
    )


async def _set(receiver: Receiver, mode: str) -> None:
    receiver.mode = mode


async def _phase(one: Trial, ill: Receiver, well: Receiver, seconds: float) -> list[str]:
    """Ends when those for the host that is well are there; returns the ids of all."""
    asked = await asyncio.gather(
        *(one.steadily(A_SECOND / 2, seconds, callback_url=receiver.url) for receiver in (ill, well))
    )
    await one.ended(accepted(asked[1]))
    while not set(accepted(asked[1])) <= set(well.taken):
        await asyncio.sleep(0.1)
    return [task_id for answers in asked for task_id in accepted(answers)]
