"""The sides of a comparison run alternately, so that other load on the machine affects all of them or none."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from server.commands.bench.plan import BLOCKS, Plan


class Side(Protocol):
    """One side of a comparison. `load` prepares it, and does nothing if it is loaded; `unload` frees its memory."""

    @property
    def name(self) -> str: ...

    def load(self) -> None: ...

    def unload(self) -> None: ...


def alternate(
    sides: Sequence[Side], work: Callable[[Side], None], plan: Plan, repeats: int, *, one_at_a_time: bool
) -> dict[str, list[list[float]]]:
    """Seconds of `work` by side, in blocks. `one_at_a_time`: the device holds the weights of only one side."""
    blocks: dict[str, list[list[float]]] = {side.name: [] for side in sides}
    for block in range(BLOCKS):
        for side in sides:
            side.load()
            for _ in range(1 if block and not one_at_a_time else plan.warm_ups):
                work(side)
            blocks[side.name].append([_seconds(work, side) for _ in range(repeats)])
            if one_at_a_time:
                side.unload()
    for side in sides:
        side.unload()
    return blocks


def _seconds(work: Callable[[Side], None], side: Side) -> float:
    began = time.perf_counter()
    work(side)
    return time.perf_counter() - began
