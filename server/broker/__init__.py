"""The broker carries two durable logs, `tasks` and `outcomes`, and beside them two that others read: `usage`, for
whoever writes bills, and `poison`, for whoever looks into tasks that killed every device they ran on.

Both sides of a crash agree on what the logs say: a task is accepted once it is in `tasks`, and ended by its first
record in `outcomes`. Everything else may be forgotten and read again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from server.task import Outcome, Task
from server.tenancy.usage import Usage


class BrokerUnavailableError(Exception):
    """The log could not be written or read now; nothing was accepted, and trying again later is right."""


class RecordTooLargeError(Exception):
    """The log takes no record of this size, and never will; nothing was accepted."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where a record stands. Offsets are ordered within a partition only."""

    partition: int
    offset: int


class Broker(Protocol):
    async def publish_task(self, task: Task) -> None:
        """Returns once the record survives a crash of this machine.

        Raises BrokerUnavailableError within seconds otherwise (the record may have reached the log all the same), or
        RecordTooLargeError.
        """

    async def publish_outcome(self, outcome: Outcome) -> None:
        """As `publish_task`."""

    async def publish_usage(self, usage: Usage) -> None:
        """As `publish_task`. A task may come more than once, with its id as key; nobody here reads this log."""

    async def publish_poison(self, outcome: Outcome) -> None:
        """As `publish_usage`."""

    def tasks(self) -> AsyncIterator[tuple[Position, Task | None]]:
        """Every task from the first uncommitted one on, then those to come; for ever.

        Yields (position, None) each time it has caught up with the end that the log had when it was called or last
        asked, so that a reader knows the past is behind it. Unreadable records are logged and skipped.
        """
        ...

    def outcomes(self) -> AsyncIterator[tuple[Position, Outcome | None]]:
        """As `tasks`."""
        ...

    async def commit_tasks(self, position: Position) -> None:
        """Everything of this partition before and at `position` is settled and need not be read again."""

    async def commit_outcomes(self, position: Position) -> None:
        """As `commit_tasks`."""

    async def close(self) -> None: ...
