"""Crashes at every named point, many times, while clients submit tasks: the next role that reaches it dies.

All happens to one deployment. A dead role is started again at once, so a crash often meets traces of the one before.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.chaos.clients import Clients
from tests.chaos.crash import POINTS, armed
from tests.chaos.deployment import Deployment
from tests.chaos.faults import Counts
from tests.chaos.history import History, PlannedTask
from tests.chaos.short_timeouts import LEAD_S
from tests.chaos.stalls import wait_for

CLIENTS = 12
REACHED_S = 60.0
"""Seconds until an armed point that no role reaches is given up."""
LOOK_S, AGAIN_S, BETWEEN_S = 0.02, (0.05, 0.4), (0.0, 0.6)
LED_S = LEAD_S + 1.0
"""Seconds until a standby leads after a controller was killed."""


class Rounds:
    """Each point this many times, in a different order each round."""

    def __init__(self, deployment: Deployment, history: History, rng: Random, rounds: int) -> None:
        self._deployment, self._history, self._rng, self._rounds = deployment, history, rng, rounds

    async def run(self) -> None:
        """Waits until every role that died in the last round runs again."""
        keeping = asyncio.create_task(self._keep_alive())
        try:
            for _ in range(self._rounds):
                for point in self._rng.sample(list(POINTS), len(POINTS)):
                    await self._reach(point)
                    await asyncio.sleep(self._rng.uniform(*BETWEEN_S))
            while self._deployment.fallen():
                await asyncio.sleep(LOOK_S)
        finally:
            keeping.cancel()

    async def _reach(self, point: str) -> None:
        """Arms a point and makes a role reach it; disarms it if none does."""
        file = armed(self._deployment.crashes, point)
        file.touch()
        leading = asyncio.create_task(self._lead_on(point))
        await wait_for(_gone(file), REACHED_S)
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)
        with contextlib.suppress(FileNotFoundError):
            file.unlink()
            self._history.add("fault", what=f"{point} is not reached")
            return
        self._history.add("crashed", what=point)

    async def _lead_on(self, point: str) -> None:
        """Roles pass most points by themselves; these two only after a fault."""
        if point == "T12":
            self._history.add("fault", what="flushes")
            await asyncio.to_thread(self._deployment.redis.flush)
            self._history.add("fault", what="flushes", over=True)
        while point == "T13":
            for name in self._deployment.of("controller"):
                self._history.add("fault", what=f"{name} is killed")
                self._deployment.kill(name)
                await asyncio.sleep(LED_S)

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self._rng.uniform(*AGAIN_S))
            for name in self._deployment.fallen():
                self._history.add("fault", what=f"{name} is started again")
                self._deployment.begin(name)


async def _gone(file: Path) -> None:
    while file.exists():
        await asyncio.sleep(LOOK_S)


async def weather(rounds: Rounds, clients: Clients, tasks: Iterator[PlannedTask], patience_s: float) -> None:
    """All rounds, and then the submitted tasks to their end, or until the timeout."""
    over = asyncio.Event()
    looking_back = asyncio.create_task(clients.look_back())
    busy = asyncio.gather(*(clients.follow_on(tasks, over) for _ in range(CLIENTS)))
    await rounds.run()
    over.set()
    await wait_for(busy, patience_s)
    looking_back.cancel()
    await asyncio.gather(looking_back, return_exceptions=True)


def reached(history: History) -> Counter[str]:
    """The number of deaths at each point."""
    return Counter(event.details["what"] for event in history.events if event.kind == "crashed")


def amounts_to(history: History) -> Counts:
    """The crashes as faults, for the check of repeated work."""
    times = reached(history)
    by_worker = sum(times[point] for point, says in POINTS.items() if says.startswith("worker"))
    flushes = sum(event.details == {"what": "flushes"} for event in history.events if event.kind == "fault")
    return Counts(worker_kills=by_worker, flushes=flushes)
