"""Finds the outcome of a task in the log, also if it was settled long ago."""

from __future__ import annotations

from contextlib import aclosing

from server.broker.protocol import Broker
from server.task import Outcome


async def first_outcome(broker: Broker, task_id: str) -> Outcome | None:
    """The outcome that counts; None if the log does not have it any more. Reads the whole log in the worst case."""
    async with aclosing(broker.past_outcomes()) as outcomes:
        async for outcome in outcomes:
            if outcome.task.id == task_id:
                return outcome
    return None
