"""The unfinished tasks: by id, by tenant, and by the token of the lease that holds them."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator

from server.queue import Lease
from server.queue.memory.task_state import TaskState
from server.task import Task


class UnfinishedTasks:
    """A tenant's limit is reckoned from these sets, not from a counter that a crash could leave wrong."""

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
        """The task of a lease, if it has not gone to another, or ended."""
        return self._by_token.get(lease.token)

    def silent(self, now: float) -> list[tuple[TaskState, Lease]]:
        """The tasks whose lease has run out, the youngest first."""
        held = ((live, live.lease) for live in self._by_token.values())
        found = [(live, lease) for live, lease in held if lease is not None and live.lease_ends <= now]
        return sorted(found, key=lambda pair: -pair[0].order)

    def begin(self, task: Task) -> TaskState:
        live = TaskState(task, next(self._orders))
        self._by_id[task.id] = self._by_tenant.setdefault(task.tenant, {})[task.id] = live
        return live

    def hold(self, live: TaskState, lease: Lease, ends: float, started_at: float | None) -> None:
        self._forget_token(live)
        self._by_token[lease.token] = live
        live.hold(lease, ends, started_at)

    def free(self, live: TaskState) -> None:
        self._forget_token(live)
        live.free()

    def remove(self, live: TaskState) -> None:
        self._forget_token(live)
        del self._by_id[live.task.id]
        same_tenant = self._by_tenant[live.task.tenant]
        del same_tenant[live.task.id]
        if not same_tenant:
            del self._by_tenant[live.task.tenant]

    def _forget_token(self, live: TaskState) -> None:
        if live.lease is not None:
            del self._by_token[live.lease.token]
