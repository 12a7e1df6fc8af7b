"""A faulty callback receiver does not delay callbacks to other hosts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from datetime import datetime

from benchmarks.promises.trial import Trial, TrialResult, accepted_ids, open_trial, quantile

PHASE_S, A_SECOND, SLOW_S = 60.0, 8.0, 30.0
DELIVERED_S = 120.0
WORSE = 1.1
OK, FAULT = (b"HTTP/1.1 %d Answer\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status for status in (200, 500))


class Receiver:
    """One host. `mode` is up, half (every second answer is a 500), slow, or down (the port is closed)."""

    def __init__(self) -> None:
        self.mode = "up"
        self.delivered: dict[str, float] = {}
        """By task id, seconds from the end of the task to its callback."""
        self._port = self._tries = 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Receiver]:
        await self.listen()
        try:
            yield self
        finally:
            await self.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/"

    async def listen(self) -> None:
        self.mode = "up"
        self._server = await asyncio.start_server(self._receive, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
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
                self.delivered.setdefault(view["id"], time.time() - ended)
        writer.close()


async def isolation(scale: float) -> TrialResult:
    """Half of the callbacks go to a host that is up, down, faulty and slow in turn, half to a healthy host."""
    seconds, p95, ids = max(PHASE_S * scale, 5), dict[str, float](), list[str]()
    async with Receiver().open() as faulty, Receiver().open() as healthy, open_trial(workers=2) as trial:
        for mode in ("up", "down", "half", "slow"):
            await (faulty.close() if mode == "down" else _set_mode(faulty, mode))
            before = len(healthy.delivered)
            ids += await _phase(trial, faulty, healthy, seconds)
            p95[mode] = quantile(list(healthy.delivered.values())[before:], 0.95)
            await (faulty.listen() if mode == "down" else asyncio.sleep(0))
        faulty.mode = "up"
        began = time.monotonic()
        while len(faulty.delivered) + len(healthy.delivered) < len(ids) and time.monotonic() - began < DELIVERED_S:
            await asyncio.sleep(0.2)
        missing = len(set(ids) - set(faulty.delivered) - set(healthy.delivered))
    delays = ", ".join(f"{mode} {1000 * value:.0f} ms" for mode, value in p95.items())
    return TrialResult(
        f"{len(ids)} callbacks, {seconds:.0f} s of each: {missing} not delivered after; p95 from a task's end to its "
        f"callback at the healthy host, by the mode of the other host: {delays}",
        not missing and all(value <= WORSE * p95["up"] for value in p95.values()),
    )


async def _set_mode(receiver: Receiver, mode: str) -> None:
    receiver.mode = mode


async def _phase(trial: Trial, faulty: Receiver, healthy: Receiver, seconds: float) -> list[str]:
    """Returns the ids of all tasks when the callbacks to the healthy host are delivered."""
    answers_by_host = await asyncio.gather(
        *(trial.submit_steadily(A_SECOND / 2, seconds, callback_url=receiver.url) for receiver in (faulty, healthy))
    )
    await trial.wait_until_ended(accepted_ids(answers_by_host[1]))
    while not set(accepted_ids(answers_by_host[1])) <= set(healthy.delivered):
        await asyncio.sleep(0.1)
    return [task_id for answers in answers_by_host for task_id in accepted_ids(answers)]
