"""Whose turn it is: fair between classes and tenants by cost, loaded models preferred. No clock, no waiting.

Classes share by weight, so that the lowest still gets its part of a busy house; so do the tenants of a class.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Collection
from dataclasses import dataclass, field

from server.queue.start_time_fair_queueing import StartTimeFairQueueing
from server.task import Priority, Task

WEIGHTS: dict[Priority, float] = {"high": 6.0, "normal": 3.0, "low": 1.0}
LOOK_AHEAD = 8
"""How many of the least served tenants are asked for a task whose model is loaded."""
SLACK = 10.0
"""How far, in cost, a tenant may be ahead of the least served and still be preferred: about what a swap takes."""
LEAST_COST = 0.01


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task in its line; `order` is its place among all that ever came."""

    task: Task
    order: int

    @property
    def cost(self) -> float:
        return max(self.task.cost, LEAST_COST)


@dataclass(slots=True)
class TenantQueue:
    """What one tenant has waiting in one class: by model, oldest first. `weight` is that of the task that came last."""

    by_model: dict[str, list[Waiting]] = field(default_factory=dict)
    count: int = 0
    cost: float = 0.0
    weight: float = 1.0

    def add(self, waiting: Waiting) -> None:
        bisect.insort(self.by_model.setdefault(model_of(waiting.task), []), waiting, key=_order)
        self.count += 1
        self.cost += waiting.cost
        self.weight = waiting.task.weight

    def remove(self, waiting: Waiting) -> None:
        same_model = self.by_model[model_of(waiting.task)]
        del same_model[bisect.bisect_left(same_model, waiting.order, key=_order)]
        if not same_model:
            del self.by_model[model_of(waiting.task)]
        self.count -= 1
        self.cost -= waiting.cost

    def oldest(self) -> Waiting:
        return min((same_model[0] for same_model in self.by_model.values()), key=_order)

    def oldest_of(self, models: Collection[str]) -> Waiting | None:
        """The oldest of those that run well where `models` are loaded."""
        heads = (same_model[0] for model, same_model in self.by_model.items() if model in models or not model)
        return min(heads, key=_order, default=None)

    def before(self, order: float) -> list[float]:
        """The costs of those that are older than `order`."""
        return [waiting.cost for line in self.by_model.values() for waiting in line if waiting.order < order]


class TenantLines:
    """One class: the lines of its tenants."""

    def __init__(self) -> None:
        self._turns = StartTimeFairQueueing()
        self._of: dict[str, TenantQueue] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    def add(self, waiting: Waiting) -> None:
        tenant = waiting.task.tenant
        self._turns.enter(tenant)
        self._of.setdefault(tenant, TenantQueue()).add(waiting)

    def remove(self, waiting: Waiting) -> None:
        tenant = waiting.task.tenant
        self._of[tenant].remove(waiting)
        if not self._of[tenant].count:
            del self._of[tenant]
            self._turns.leave(tenant)

    def take(self, waiting: Waiting) -> None:
        self._turns.charge(waiting.task.tenant, waiting.cost / waiting.task.weight)
        self.remove(waiting)

    def choose(self, resident: Collection[str]) -> Waiting:
        """The next task: the least served tenant's, unless one hardly better served wants a model that is loaded."""
        first, *others = self._turns.next(LOOK_AHEAD)
        patience = self._turns.tag(first) + SLACK
        for tenant in (first, *others) if resident else ():
            if self._turns.tag(tenant) <= patience and (warm := self._of[tenant].oldest_of(resident)):
                return warm
        return self._of[first].oldest()

    def size(self) -> tuple[int, float]:
        """How many tasks wait, and what one of them costs on the average."""
        count = sum(line.count for line in self._of.values())
        return count, sum(line.cost for line in self._of.values()) / count

    def ahead(self, task: Task, order: float) -> tuple[int, float]:
        """How many tasks of this class come before one, and what they cost together."""
        own = self._of[task.tenant].before(order) if task.tenant in self._of else []
        sizes = {tenant: (line.count, line.cost / line.count / line.weight) for tenant, line in self._of.items()}
        others = self._turns.before(task.tenant, sum(own) / task.weight, sizes)
        cost = sum(count * sizes[tenant][1] * self._of[tenant].weight for tenant, count in others.items())
        return len(own) + sum(others.values()), sum(own) + cost


class FairQueue:
    """Everything that waits to be leased."""

    def __init__(self) -> None:
        self._waiting: dict[str, Waiting] = {}
        self._turns = StartTimeFairQueueing()
        self._classes: dict[str, TenantLines] = {priority: TenantLines() for priority in WEIGHTS}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, task: Task, order: int) -> None:
        """`order` rises with each new task; one that comes back brings its old number, and so goes to the head."""
        waiting = self._waiting[task.id] = Waiting(task, order)
        self._turns.enter(task.priority)
        self._classes[task.priority].add(waiting)

    def remove(self, task_id: str) -> None:
        """Does nothing for a task that does not wait."""
        waiting = self._waiting.pop(task_id, None)
        if waiting is not None:
            self._classes[waiting.task.priority].remove(waiting)
            self._rest_if_empty(waiting.task.priority)

    def choose(self, resident: Collection[str] = ()) -> Task | None:
        """The next task, which stays where it is; without `resident` models the choice is strictly fair."""
        return self._classes[self._turns.next(1)[0]].choose(resident).task if self._waiting else None

    def take(self, task: Task) -> None:
        """Takes out a task that waits; its class and its tenant have had their turn."""
        waiting = self._waiting.pop(task.id)
        self._classes[task.priority].take(waiting)
        self._turns.charge(task.priority, waiting.cost / WEIGHTS[task.priority])
        self._rest_if_empty(task.priority)

    def ahead(self, task: Task, order: float = math.inf) -> int:
        """How many strictly fair picks come before this task's; exact where costs are equal, else near enough.

        Without an `order`: if it were added now.
        """
        same_class, cost = self._classes[task.priority].ahead(task, order)
        sizes: dict[str, tuple[int, float]] = {}
        for priority, weight in WEIGHTS.items():
            if lines := self._classes[priority]:
                count, mean = lines.size()
                sizes[priority] = (count, mean / weight)
        others = self._turns.before(task.priority, cost / WEIGHTS[task.priority], sizes)
        return same_class + sum(others.values())

    def _rest_if_empty(self, priority: str) -> None:
        if not self._classes[priority]:
            self._turns.leave(priority)


def model_of(task: Task) -> str:
    """Where a task runs best is where its first model is loaded."""
    return task.models[0] if task.models else ""


def _order(waiting: Waiting) -> int:
    return waiting.order
