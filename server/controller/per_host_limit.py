"""Limits concurrent requests per host. The others wait for a bounded time, so a slow host delays no other host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


class HostBusyError(Exception):
    """Too many requests wait for this host, or one has waited too long."""


@dataclass(slots=True)
class HostQueue:
    """The requests to one host: `length` counts those that run and those that wait."""

    free: asyncio.Semaphore
    length: int = 0


class PerHostLimiter:
    """Limits requests per host.

    at_once: requests that may run at the same time.
    most: requests that may run or wait.
    wait_s: seconds that one may wait.
    """

    def __init__(self, at_once: int, most: int, wait_s: float) -> None:
        self._at_once = at_once
        self._most = most
        self._wait_s = wait_s
        self._hosts: dict[str, HostQueue] = {}

    @asynccontextmanager
    async def at(self, host: str) -> AsyncIterator[None]:
        """Holds a slot of `host`. Raises HostBusyError."""
        host_queue = self._hosts.setdefault(host, HostQueue(asyncio.Semaphore(self._at_once)))
        if host_queue.length >= self._most:
            raise HostBusyError(host)
        host_queue.length += 1
        try:
            await self._wait(host_queue, host)
            try:
                yield
            finally:
                host_queue.free.release()
        finally:
            host_queue.length -= 1
            if not host_queue.length:
                del self._hosts[host]

    async def _wait(self, host_queue: HostQueue, host: str) -> None:
        try:
            async with asyncio.timeout(self._wait_s):
                await host_queue.free.acquire()
        except TimeoutError:
            raise HostBusyError(host) from None
