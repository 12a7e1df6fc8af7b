"""Several records are processed at once, but those with the same key in their order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

WaitTurn = Callable[[], Awaitable[None]]
"""Waits until all earlier work with the same key has succeeded."""

WIDTH = 16


class OrderedWindow:
    """At most `width` jobs run at once; `begin` waits for room. Created by `window`."""

    def __init__(self, group: asyncio.TaskGroup, width: int) -> None:
        self._group = group
        self._room = asyncio.Semaphore(width)
        self._last: dict[str, asyncio.Task[None]] = {}

    async def begin(self, key: str, work: Callable[[WaitTurn], Awaitable[None]]) -> None:
        """Starts `work`, with a function that waits for its turn among the jobs of its key."""
        await self._room.acquire()
        before = self._last.get(key)
        self._last[key] = self._group.create_task(self._do(key, before, work))

    async def _do(
        self, key: str, before: asyncio.Task[None] | None, work: Callable[[WaitTurn], Awaitable[None]]
    ) -> None:
        async def turn() -> None:
            if before is not None:
                await asyncio.wait([before])
                before.result()  # re-raise: work with the same key must not continue after a failure

        try:
            await work(turn)
            await turn()
        finally:
            self._room.release()
            if self._last.get(key) is asyncio.current_task():
                del self._last[key]

    async def wait_until_empty(self) -> None:
        """Waits for all jobs; canceled if one of them fails."""
        while self._last:
            await asyncio.wait(list(self._last.values()))
        await asyncio.sleep(0)  # a failure of this moment cancels us before this returns


@asynccontextmanager
async def window(width: int = WIDTH) -> AsyncIterator[OrderedWindow]:
    """Ends when all jobs have ended. If one fails, the others and the block are canceled, and its error is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            yield (jobs := OrderedWindow(group, width))
            # Inside the group: one that was left already does not take back its cancellation of us (Python 3.11).
            await jobs.wait_until_empty()
    except BaseExceptionGroup as failures:
        if (task := asyncio.current_task()) and task.cancelling():
            # a cancellation from outside is more important than an error of a canceled job
            raise asyncio.CancelledError from failures
        raise failures.exceptions[0] from None
