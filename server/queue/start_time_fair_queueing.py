"""Turns between flows, fair by work: start-time fair queueing.

Goyal, Vin and Cheng, "Start-time Fair Queueing: A Scheduling Algorithm for Integrated Services Packet Switching
Networks" (SIGCOMM 1996). Each flow carries a tag: the work it has had. The least tag has the next turn, and a flow
that comes back after a rest starts no lower than the others stand, so that resting saves nothing up.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping


class StartTimeFairQueueing:
    """Flows are named; `enter` and `leave` say whether one has something to do. Ties go to who entered first."""

    def __init__(self) -> None:
        self._tags: dict[str, float] = {}
        self._resting: dict[str, float] = {}

    def enter(self, flow: str) -> None:
        if flow not in self._tags:
            self._tags[flow] = self.tag(flow)
            self._resting.pop(flow, None)

    def leave(self, flow: str) -> None:
        """Remembers a flow only while it has had more than those that stay: then its rest is not yet over."""
        self._resting[flow] = self._tags.pop(flow)
        least = self._least()
        self._resting = {name: tag for name, tag in self._resting.items() if tag > least}

    def charge(self, flow: str, work: float) -> None:
        self._tags[flow] += work

    def tag(self, flow: str) -> float:
        """Where a flow stands, or would stand if it entered now."""
        if flow in self._tags:
            return self._tags[flow]
        return max(self._resting.get(flow, 0.0), self._least() if self._tags else 0.0)

    def next(self, count: int) -> list[str]:
        """The `count` flows that have had least, the least first."""
        return heapq.nsmallest(count, self._tags, key=self._tags.__getitem__)

    def before(self, flow: str, work: float, sizes: Mapping[str, tuple[int, float]]) -> dict[str, int]:
        """How many pieces each other flow gets done before `flow` has done `work` and has its turn again.

        `sizes` says how many pieces a flow has, and how much work one of them is on the average.
        """
        turn = self.tag(flow) + work
        counts, wins_ties = {}, True
        for other, tag in self._tags.items():
            if other == flow:
                wins_ties = False
                continue
            count, piece = sizes[other]
            pieces = (turn - tag) / piece
            due = math.floor(pieces) + 1 if wins_ties else math.ceil(pieces)
            counts[other] = min(max(due, 0), count)
        return counts

    def _least(self) -> float:
        """Infinite when all rest: then everybody starts anew."""
        return min(self._tags.values(), default=math.inf)
