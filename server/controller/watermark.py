"""How far a log may be committed while some of its records are unsettled."""

from __future__ import annotations

from collections import defaultdict, deque

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
