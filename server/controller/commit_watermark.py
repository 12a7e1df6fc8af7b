"""The offset up to which a log may be committed: just below its lowest unsettled record."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable

from server.broker import Position


class Watermark:
    """Per partition, the last position below which every record is done. Records are added in their order."""

    def __init__(self) -> None:
        self._pending: defaultdict[int, deque[Position]] = defaultdict(deque)
        self._done: set[Position] = set()

    def add(self, position: Position) -> None:
        self._pending[position.partition].append(position)

    def done(self, position: Position) -> Position | None:
        """Marks a record as done. Returns the position that may be committed now, or None if it has not moved."""
        self._done.add(position)
        pending, reached = self._pending[position.partition], None
        while pending and pending[0] in self._done:
            reached = pending.popleft()
            self._done.remove(reached)
        return reached


class Commits:
    """Commits a log up to its watermark, never backwards, and no more often than the broker can follow."""

    def __init__(self, commit: Callable[[Position], Awaitable[None]]) -> None:
        self._commit = commit
        self._watermark = Watermark()
        self._reached: dict[int, Position] = {}
        self._committing = asyncio.Lock()

    def add(self, position: Position) -> None:
        self._watermark.add(position)

    async def done(self, positions: Iterable[Position]) -> None:
        """Returns when everything possible is committed. If it is canceled, the next call commits what is done."""
        for position in positions:
            if reached := self._watermark.done(position):
                self._reached[reached.partition] = reached
        async with self._committing:
            for partition, newest in list(self._reached.items()):
                await self._commit(newest)
                if self._reached[partition] == newest:
                    del self._reached[partition]
