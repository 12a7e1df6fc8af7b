"""Start-time fair queueing: fair turns between flows by work.

Goyal, Vin and Cheng, "Start-time Fair Queueing: A Scheduling Algorithm for Integrated Services Packet Switching
Networks" (SIGCOMM 1996). Each flow has a tag: the work it has received. The flow with the least tag is next. A flow
that returns after a pause starts no lower than the others, so a pause saves nothing up.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping


class StartTimeFairQueueing:
    """`enter` and `leave` say whether a flow has work. Ties go to the flow that entered first."""

    def __init__(self) -> None:
        self._tags: dict[str, float] = {}
        self._paused: dict[str, float] = {}

    def enter(self, flow: str) -> None:
        if flow not in self._tags:
            self._tags[flow] = self.tag(flow)
            self._paused.pop(flow, None)

    def leave(self, flow: str) -> None:
        """Keeps a flow's tag only while it is above the least tag, because only then does it matter when it returns."""
        self._paused[flow] = self._tags.pop(flow)
        least = self._least()
        self._paused = {name: tag for name, tag in self._paused.items() if tag > least}

    def charge(self, flow: str, work: float) -> None:
        self._tags[flow] += work

    def tag(self, flow: str) -> float:
        """The tag of a flow, or the tag it would get if it entered now."""
        if flow in self._tags:
            return self._tags[flow]
        return max(self._paused.get(flow, 0.0), self._least() if self._tags else 0.0)

    def next(self, count: int) -> list[str]:
        """The `count` flows with the least tags, the least first."""
        return heapq.nsmallest(count, self._tags, key=self._tags.__getitem__)

    def before(self, flow: str, work: float, sizes: Mapping[str, tuple[int, float]]) -> dict[str, int]:
        """The number of pieces of each other flow that are done before `flow` has done `work` and is next again.

        sizes: by flow, its number of pieces, and the mean work of one.
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
        """The least tag; infinite if all flows pause, and then all start again."""
        return min(self._tags.values(), default=math.inf)
