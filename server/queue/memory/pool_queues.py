"""A fair queue for each pool, with the tasks that its workers can serve. A task may wait in several."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from server.queue.fair_queue import FairQueue
from server.queue.pools import EVERY_TASK, Pool, missing, serving
from server.task import Task


class PoolQueues:
    def __init__(self) -> None:
        self._waiting: dict[str, tuple[Task, int]] = {}
        self._queues: dict[Pool, FairQueue] = {EVERY_TASK: FairQueue()}
        self._filled: dict[Pool, asyncio.Event] = {}
        self._open = False

    def open(self) -> None:
        self._open = True
        self._signal()

    def set_pools(self, pools: Collection[Pool]) -> None:
        """The pools that have a live worker. The waiting tasks move to the queues where they belong now."""
        live = frozenset(pools) or {EVERY_TASK}
        if live == self._queues.keys():
            return
        for gone in self._queues.keys() - live:
            self._filled.pop(gone, None)
        self._queues = {pool: self._queues[pool] if pool in self._queues else FairQueue() for pool in live}
        for task, order in self._waiting.values():
            serve = serving(task.models, live)
            for pool, queue in self._queues.items():
                if pool not in serve:
                    queue.remove(task.id)
                elif task.id not in queue:
                    queue.add(task, order)
        self._signal()

    def filled(self, pool: Pool) -> asyncio.Event:
        """Set while a task waits that this pool can serve."""
        return self._filled.setdefault(pool, asyncio.Event())

    def wake(self, pool: Pool) -> None:
        """Lets the workers that wait for tasks of this pool look whether they still belong to it."""
        self.filled(pool).set()
        self._signal()

    def add(self, task: Task, order: int) -> None:
        """`order` rises with each new task. A returned task keeps its old number, and so goes to the head."""
        self._waiting[task.id] = task, order
        for pool in serving(task.models, self._queues.keys()):
            self._queues[pool].add(task, order)
        self._signal()

    def remove(self, task_id: str) -> None:
        """Does nothing for a task that does not wait."""
        if self._waiting.pop(task_id, None) is not None:
            for queue in self._queues.values():
                queue.remove(task_id)
            self._signal()

    def choose(self, pool: Pool, resident: Collection[str], fetching: Collection[str]) -> Task | None:
        """The next task for a worker of this pool; None also if the pool has no queue any more."""
        queue = self._queues.get(pool)
        return queue.choose(resident, fetching) if queue else None

    def take(self, task: Task, pool: Pool) -> None:
        """Removes a waiting task, and charges its class and tenant in the pool that serves it."""
        self._queues[pool].take(task)
        self.remove(task.id)

    def position(self, task: Task, order: int) -> int:
        """The number of tasks before it, plus one, where it is served first; 0 if no pool can serve it."""
        pools = serving(task.models, self._queues.keys())
        return min((self._queues[pool].ahead(task, order) + 1 for pool in pools), default=0)

    def costs(self) -> dict[str, float]:
        """The cost of the tasks that wait for each pool, by its id."""
        return {pool.id: queue.cost for pool, queue in self._queues.items()}

    def missing(self, models: Collection[str]) -> tuple[str, ...]:
        """The models that no pool has, so that a task with them waits."""
        return missing(models, self._queues.keys())

    def _signal(self) -> None:
        for pool, queue in self._queues.items():
            filled = self.filled(pool)
            if self._open and queue:
                filled.set()
            else:
                filled.clear()
