"""The broker carries the durable logs: `tasks` and `outcomes`, which Hua reads, and two for operators.

`usage` has a record per ended task, for billing; `poison` has the tasks that killed every device they ran on. The logs
decide what happened: a task is accepted once it is in `tasks`, and ended by its first record in `outcomes`. All other
state may be lost and rebuilt from them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from server.task import Outcome, Task
from server.tenancy.usage import Usage


class BrokerUnavailableError(Exception):
    """The log cannot be written or read now. Nothing was accepted; try again later."""


class RecordTooLargeError(Exception):
    """The log does not accept a record of this size. Nothing was accepted; trying again does not help."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """The position of a record. Offsets are ordered within a partition only."""

    partition: int
    offset: int


class Broker(Protocol):
    async def publish_task(self, task: Task) -> None:
        """Returns once the record survives a crash of this machine.

        Raises RecordTooLargeError, or within seconds BrokerUnavailableError; the record may then be in the log anyway.
        """

    async def publish_outcome(self, outcome: Outcome) -> None:
        """As `publish_task`."""

    async def publish_usage(self, usage: Usage) -> None:
        """As `publish_task`. A task may appear more than once, with its id as key. Hua does not read this log."""

    async def publish_poison(self, outcome: Outcome) -> None:
        """As `publish_usage`."""

    async def check(self) -> None:
        """Whether a task could be published now, without writing a record. Raises BrokerUnavailableError if not."""

    def tasks(self) -> AsyncIterator[tuple[Position, Task | None]]:
        """Yields every task from the first uncommitted one on, without end.

        Yields (position, None) each time it has reached the end of the log, so that a reader knows that it has read
        the past. Unreadable records are logged and skipped.
        """
        ...

    def outcomes(self) -> AsyncIterator[tuple[Position, Outcome | None]]:
        """As `tasks`."""
        ...

    def past_outcomes(self) -> AsyncGenerator[Outcome]:
        """Yields every outcome that the log still has, committed or not, and ends at the present end of the log."""
        ...

    async def log_id(self) -> str:
        """An id of these logs. It changes if they are emptied, or deleted and created again."""

    async def commit_tasks(self, position: Position) -> None:
        """Records of this partition up to `position` are settled and need not be read again."""

    async def commit_outcomes(self, position: Position) -> None:
        """As `commit_tasks`."""

    async def close(self) -> None: ...
