"""The verbs of the queue as Redis scripts: each file `lua/*.lua` is one, and each is atomic."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.commands.core import AsyncScript

from server.queue import COURTESY_S, FETCHING_PAUSE_S, LEAD_S, LEASE_S
from server.queue.fair_queue import LOOK_AHEAD, SLACK, WEIGHTS
from server.queue.memory.rate_limit import ROUNDING_S
from server.queue.memory.workers import STRICTLY_FAIR_EVERY
from server.queue.poison import DEATHS_AT_MOST, DEATHS_UNTIL_POISON, PLACES_UNTIL_POISON

ROOT = "{hua}"
"""The beginning of all keys; its braces keep them on one node of a cluster."""
RESERVED_S = 40.0
"""Seconds for which a slot stays reserved if the api dies before it has published the task: longer than it may take to
store the task's images and to publish it."""
ASKED = 100
"""The number of tenants from which a position is estimated."""
PARTS = ("turns", "pools", "line", "life", "ahead")
REVIEWED = 200
"""Waiting tasks whose pools one call chooses again: a few milliseconds of Redis."""
SAMPLED = 20
"""Waiting tasks, chosen at random, whose pools each look for expired leases checks."""
Argument = str | bytes | int | float


class Scripts:
    def __init__(self, client: Redis) -> None:
        folder = Path(__file__).parent / "lua"
        common = "\n".join([_constants(), *((folder / f"{part}.lua").read_text() for part in PARTS)])
        self._scripts: dict[str, AsyncScript] = {
            file.stem: client.register_script(f"{common}\n{file.read_text()}")
            for file in folder.glob("*.lua")
            if file.stem not in PARTS
        }

    async def run(self, verb: str, arguments: Iterable[Argument]) -> Any:
        return await self._scripts[verb](keys=[ROOT], args=list(arguments))


def _constants() -> str:
    """The numbers that both queues share, in Lua."""
    numbers = {
        "LEASE_S": LEASE_S,
        "LEAD_S": LEAD_S,
        "COURTESY_S": COURTESY_S,
        "FETCHING_PAUSE_S": FETCHING_PAUSE_S,
        "DEATHS_UNTIL_POISON": DEATHS_UNTIL_POISON,
        "PLACES_UNTIL_POISON": PLACES_UNTIL_POISON,
        "DEATHS_AT_MOST": DEATHS_AT_MOST,
        "STRICTLY_FAIR_EVERY": STRICTLY_FAIR_EVERY,
        "LOOK_AHEAD": LOOK_AHEAD,
        "SLACK": SLACK,
        "RESERVED_S": RESERVED_S,
        "ASKED": ASKED,
        "REVIEWED": REVIEWED,
        "SAMPLED": SAMPLED,
        "ROUNDING_S": ROUNDING_S,
    }
    weights = ", ".join(f"{name} = {weight}" for name, weight in WEIGHTS.items())
    named = numbers | {"WEIGHTS": f"{{{weights}}}"}
    return "\n".join(f"local {name} = {value}" for name, value in named.items())
