"""Several records in hand at once, though what belongs together goes on in its order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

WaitTurn = Callable[[], Awaitable[None]]
"""Waits until all that was begun before with the same key has succeeded."""

WIDTH = 16


class OrderedWindow:
    """At most `width` works are under way; `begin` waits for room. Made by `window`."""

    def __init__(self, group: asyncio.TaskGroup, width: int) -> None:
        self._group = group
        self._room = asyncio.Semaphore(width)
        self._last: dict[str, asyncio.Task[None]] = {}

    async def begin(self, key: str, work: Callable[[WaitTurn], Awaitable[None]]) -> None:
        """Starts `work`, which is handed the wait for its turn among those of its key."""
        await self._room.acquire()
        before = self._last.get(key)
        self._last[key] = self._group.create_task(self._do(key, before, work))

    async def _do(
        self, key: str, before: asyncio.Task[None] | None, work: Callable[[WaitTurn], Awaitable[None]]
    ) -> None:
        async def turn() -> None:
            if before is not None:
                await asyncio.wait([before])
                before.result()  # what failed or was cut off lets nobody pass

        try:
            await work(turn)
            await turn()
        finally:
            self._room.release()
            if self._last.get(key) is asyncio.current_task():
                del self._last[key]

    async def emptied(self) -> None:
        """Waits for all that was begun, and is cut off if any of it fails."""
        while self._last:
            await asyncio.wait(list(self._last.values()))
        await asyncio.sleep(0)  # what failed just now cuts off before this returns


@asynccontextmanager
async def window(width: int = WIDTH) -> AsyncIterator[OrderedWindow]:
    """Ends when all works have. If one of them fails, the others are cut off, and the block with them; its error is
    raised as if the works had been done one by one."""
    try:
        async with asyncio.TaskGroup() as group:
            yield (works := OrderedWindow(group, width))
            # In here: a group that is left already forgets to take back that it canceled us (Python 3.11).
            await works.emptied()
    except BaseExceptionGroup as failures:
        if (task := asyncio.current_task()) and task.cancelling():
            # from outside, which counts for more than what a work said while it was cut off
            raise asyncio.CancelledError from failures
        raise failures.exceptions[0] from None
