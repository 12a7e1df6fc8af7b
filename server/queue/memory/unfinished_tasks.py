"""The unfinished tasks: by id, by tenant, and by the token of their lease."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator

from server.queue import Lease
from server.queue.memory.task_state import TaskState
from server.task import Task


class UnfinishedTasks:
    """A tenant's limit is checked against these sets, not against a counter that a crash could leave wrong."""

    def __init__(self) -> None:
        self._orders = itertools.count()
        self._by_id: dict[str, TaskState] = {}
        self._by_tenant: dict[str, dict[str, TaskState]] = {}
        self._by_token: dict[str, TaskState] = {}

    def __iter__(self) -> Iterator[TaskState]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, task_id: str) -> TaskState | None:
        return self._by_id.get(task_id)

    def of(self, tenant: str) -> Collection[TaskState]:
        return self._by_tenant.get(tenant, {}).values()

    def held_by(self, lease: Lease) -> TaskState | None:
        """The task of a lease; None if it has another lease, or has ended."""
        return self._by_token.get(lease.token)

    def expired(self, now: float) -> list[tuple[TaskState, Lease]]:
        """The tasks whose lease has expired, the youngest first."""
        leased = ((state, state.lease) for state in self._by_token.values())
        expired = [(state, lease) for state, lease in leased if lease is not None and state.lease_ends <= now]
        return sorted(expired, key=lambda pair: -pair[0].order)

    def begin(self, task: Task) -> TaskState:
        state = TaskState(task, next(self._orders))
        self._by_id[task.id] = self._by_tenant.setdefault(task.tenant, {})[task.id] = state
        return state

    def hold(self, state: TaskState, lease: Lease, ends: float, started_at: float | None) -> None:
        self._remove_token(state)
        self._by_token[lease.token] = state
        state.hold(lease, ends, started_at)

    def free(self, state: TaskState) -> None:
        self._remove_token(state)
        state.free()

    def remove(self, state: TaskState) -> None:
        self._remove_token(state)
        del self._by_id[state.task.id]
        same_tenant = self._by_tenant[state.task.tenant]
        del same_tenant[state.task.id]
        if not same_tenant:
            del self._by_tenant[state.task.tenant]

    def _remove_token(self, state: TaskState) -> None:
        if state.lease is not None:
            del self._by_token[state.lease.token]
