"""Sides that take turns, so that whatever else the machine does hits all of them or none."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from server.commands.bench.plan import BLOCKS, Plan


class Side(Protocol):
    """Something that paints; `bring` readies it, a second time for nothing, and `leave` frees its memory."""

    @property
    def name(self) -> str: ...

    def bring(self) -> None: ...

    def leave(self) -> None: ...


def in_turns(
    sides: Sequence[Side], work: Callable[[Side], None], plan: Plan, repeats: int, *, tight: bool
) -> dict[str, list[list[float]]]:
    """Seconds of `work` by each side, in blocks. `tight`: the device holds the weights of one side at a time."""
    blocks: dict[str, list[list[float]]] = {side.name: [] for side in sides}
    for block in range(BLOCKS):
        for side in sides:
            side.bring()
            for _ in range(1 if block and not tight else plan.warm_ups):
                work(side)
            blocks[side.name].append([_seconds(work, side) for _ in range(repeats)])
            if tight:
                side.leave()
    for side in sides:
        side.leave()
    return blocks


def _seconds(work: Callable[[Side], None], side: Side) -> float:
    began = time.perf_counter()
    work(side)
    return time.perf_counter() - began
