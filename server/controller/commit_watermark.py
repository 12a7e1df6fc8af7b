"""How far a log may be committed while some of its records are unsettled."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable

from server.broker import Position


class Watermark:
    """Stands, in each partition, just below the lowest record that is not done. Records are added in their order."""

    def __init__(self) -> None:
        self._pending: defaultdict[int, deque[Position]] = defaultdict(deque)
        self._done: set[Position] = set()

    def add(self, position: Position) -> None:
        self._pending[position.partition].append(position)

    def done(self, position: Position) -> Position | None:
        """The position that may be committed now; None if that has not moved. Every added one is done once."""
        self._done.add(position)
        pending, reached = self._pending[position.partition], None
        while pending and pending[0] in self._done:
            reached = pending.popleft()
            self._done.remove(reached)
        return reached


class Commits:
    """Commits a log up to its watermark: never backwards, though records are done by many at once, and no more often
    than the broker keeps up with."""

    def __init__(self, commit: Callable[[Position], Awaitable[None]]) -> None:
        self._commit = commit
        self._watermark = Watermark()
        self._reached: dict[int, Position] = {}
        self._committing = asyncio.Lock()

    def add(self, position: Position) -> None:
        self._watermark.add(position)

    async def done(self, positions: Iterable[Position]) -> None:
        """Returns once all that may be committed is. Cut off, it has noted what is done, and the next call commits."""
        for position in positions:
            if reached := self._watermark.done(position):
                self._reached[reached.partition] = reached
        async with self._committing:
            for partition, newest in list(self._reached.items()):
                await self._commit(newest)
                if self._reached[partition] == newest:
                    del self._reached[partition]
