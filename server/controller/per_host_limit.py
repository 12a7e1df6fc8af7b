"""Lines before hosts: few are served at once, the others wait for a bounded time; a slow host holds up nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


class HostBusyError(Exception):
    """The line at this host is too long, or did not move in time."""


@dataclass(slots=True)
class HostQueue:
    """Who is at one host, and who waits: `length` counts both."""

    free: asyncio.Semaphore
    length: int = 0


class PerHostLimiter:
    """`at_once` may be at a host together, `in_line` may be there or wait, each for at most `wait_s`."""

    def __init__(self, at_once: int, in_line: int, wait_s: float) -> None:
        self._at_once = at_once
        self._in_line = in_line
        self._wait_s = wait_s
        self._lines: dict[str, HostQueue] = {}

    @asynccontextmanager
    async def at(self, host: str) -> AsyncIterator[None]:
        """Holds a turn at `host`; raises HostBusyError."""
        line = self._lines.setdefault(host, HostQueue(asyncio.Semaphore(self._at_once)))
        if line.length >= self._in_line:
            raise HostBusyError(host)
        line.length += 1
        try:
            await self._wait(line, host)
            try:
                yield
            finally:
                line.free.release()
        finally:
            line.length -= 1
            if not line.length:
                del self._lines[host]

    async def _wait(self, line: HostQueue, host: str) -> None:
        try:
            async with asyncio.timeout(self._wait_s):
                await line.free.acquire()
        except TimeoutError:
            raise HostBusyError(host) from None
