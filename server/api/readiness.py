"""Whether this api can accept tasks: a check of each part that it needs.

A part is checked when a probe asks, but not while it is being checked, so that many probes cost no more than one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from pydantic import BaseModel, Field

from server.broker import BrokerUnavailableError
from server.queue import QueueUnavailableError
from server.services import Services
from server.storage.bucket import BucketUnavailableError

FRESH_S = 1.0
"""How long an answer of Kafka, the disk or S3 is used again."""
PROBE_WAIT_S, SLOW_S = 0.5, 3.0
"""How long a probe waits for an answer, and after how long no answer means that the part is not ready."""


class Part(BaseModel):
    """The state of one part that the api needs."""

    ready: bool
    reason: str = Field("", description="Why it is not ready, and what to do.")


class NotReadyError(Exception):
    """This api cannot accept tasks now. The message has the reason of each part that is not ready, once."""

    def __init__(self, parts: Mapping[str, Part]) -> None:
        names: dict[str, list[str]] = {}
        for name, part in parts.items():
            if not part.ready:
                names.setdefault(part.reason, []).append(name)
        super().__init__("; ".join(f"{', '.join(these)}: {reason}" for reason, these in names.items()))
        self.details = {"parts": {name: part.model_dump() for name, part in parts.items()}}


class NoReadyWorkerError(Exception):
    """No worker is ready."""


class PartCheck:
    """Remembers the last answer of `check`, which raises if its part is not ready."""

    def __init__(self, check: Callable[[], Awaitable[None]], fresh_s: float = 0.0) -> None:
        self._check = check
        self._fresh_s = fresh_s
        self._last: Part | None = None
        self._running: asyncio.Task[None] | None = None
        self._began_at = self._ended_at = 0.0

    async def state(self) -> Part:
        if self._running is None and (self._last is None or time.monotonic() - self._ended_at >= self._fresh_s):
            self._running, self._began_at = asyncio.create_task(self._run()), time.monotonic()
        if self._running is not None:
            done, _ = await asyncio.wait([self._running], timeout=PROBE_WAIT_S if self._last else SLOW_S)
            for ended in done:
                ended.result()
        silent_s = time.monotonic() - self._began_at if self._running else 0.0
        if self._last is None or silent_s >= SLOW_S:
            return Part(ready=False, reason=f"it has not answered for {silent_s:.0f} s")
        return self._last

    async def _run(self) -> None:
        try:
            await self._check()
            self._last = Part(ready=True)
        except (BrokerUnavailableError, BucketUnavailableError, QueueUnavailableError, NoReadyWorkerError) as error:
            self._last = Part(ready=False, reason=str(error))
        finally:
            self._running, self._ended_at = None, time.monotonic()


class Readiness:
    """The parts by the names that the metric hua_dependency_up has, and the workers."""

    def __init__(self, services: Services) -> None:
        self._checks: Mapping[str, PartCheck] = {
            "queue": PartCheck(services.queue.check),
            "broker": PartCheck(services.broker.check, FRESH_S),
            "bucket": PartCheck(services.bucket.check, FRESH_S),
            "workers": PartCheck(lambda: _check_workers(services)),
        }

    async def check(self) -> dict[str, Part]:
        """Raises NotReadyError."""
        states = await asyncio.gather(*(check.state() for check in self._checks.values()))
        parts = dict(zip(self._checks, states, strict=True))
        if not all(part.ready for part in states):
            raise NotReadyError(parts)
        return parts


async def _check_workers(services: Services) -> None:
    workers = (await services.queue.overview()).workers
    if any(worker.state == "ready" for worker in workers):
        return
    if not workers:
        raise NoReadyWorkerError("no worker is ready: there is none; wait a moment, or read the worker's log")
    states = (worker.state + (f" ({worker.problem})" if worker.problem else "") for worker in workers)
    distinct = ", ".join(dict.fromkeys(states))
    raise NoReadyWorkerError(f"no worker is ready: the workers are {distinct}; wait a moment, or read the worker's log")
