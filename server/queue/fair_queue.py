"""Which task is next: fair between classes and tenants by cost, loaded models preferred. No clock, no waiting.

Classes share by weight, so that the lowest still gets its share under load; so do the tenants of a class.
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
"""The number of least served tenants that are searched for a task whose model is loaded."""
SLACK = 10.0
"""How far, in cost, a preferred tenant may be ahead of the least served one: about the cost of a model swap."""
LEAST_COST = 0.01


@dataclass(frozen=True, slots=True)
class Waiting:
    """A waiting task. `order` is its number among all tasks that ever arrived."""

    task: Task
    order: int

    @property
    def cost(self) -> float:
        return max(self.task.cost, LEAST_COST)


@dataclass(slots=True)
class TenantQueue:
    """The waiting tasks of one tenant in one class, oldest first, by model and whether they fetch anything. `weight` is
    the newest task's."""

    lines: dict[tuple[str, bool], list[Waiting]] = field(default_factory=dict)
    count: int = 0
    cost: float = 0.0
    weight: float = 1.0

    def add(self, waiting: Waiting) -> None:
        bisect.insort(self.lines.setdefault(_line_of(waiting), []), waiting, key=_order)
        self.count += 1
        self.cost += waiting.cost
        self.weight = waiting.task.weight

    def remove(self, waiting: Waiting) -> None:
        line = self.lines[_line_of(waiting)]
        del line[bisect.bisect_left(line, waiting.order, key=_order)]
        if not line:
            del self.lines[_line_of(waiting)]
        self.count -= 1
        self.cost -= waiting.cost

    def oldest(self, fetching: bool = False) -> Waiting | None:
        """The oldest task; if `fetching`, of those that fetch nothing."""
        heads = (line[0] for (_, fetches), line in self.lines.items() if not (fetching and fetches))
        return min(heads, key=_order, default=None)

    def oldest_of(self, models: Collection[str], fetching: bool = False) -> Waiting | None:
        """The same, of the tasks that need one of `models`, or no model."""
        heads = (
            line[0]
            for (model, fetches), line in self.lines.items()
            if (model in models or not model) and not (fetching and fetches)
        )
        return min(heads, key=_order, default=None)

    def before(self, order: float) -> list[float]:
        """The costs of the tasks that are older than `order`."""
        return [waiting.cost for line in self.lines.values() for waiting in line if waiting.order < order]


class ClassQueue:
    """The waiting tasks of one class, by tenant."""

    def __init__(self) -> None:
        self._turns = StartTimeFairQueueing()
        self._tenants: dict[str, TenantQueue] = {}

    def __bool__(self) -> bool:
        return bool(self._tenants)

    def add(self, waiting: Waiting) -> None:
        tenant = waiting.task.tenant
        self._turns.enter(tenant)
        self._tenants.setdefault(tenant, TenantQueue()).add(waiting)

    def remove(self, waiting: Waiting) -> None:
        tenant = waiting.task.tenant
        self._tenants[tenant].remove(waiting)
        if not self._tenants[tenant].count:
            del self._tenants[tenant]
            self._turns.leave(tenant)

    def take(self, waiting: Waiting) -> None:
        self._turns.charge(waiting.task.tenant, waiting.cost / waiting.task.weight)
        self.remove(waiting)

    def choose(self, resident: Collection[str], fetching: Collection[str]) -> Waiting | None:
        """The next task: the least served tenant's, unless a tenant within SLACK of it has one for a loaded model."""
        in_turn = self._turns.next(LOOK_AHEAD + len(fetching))
        tenants = [name for name in in_turn if self._tenants[name].oldest(name in fetching)][:LOOK_AHEAD]
        if not tenants:
            return None
        limit = self._turns.tag(tenants[0]) + SLACK
        for name in tenants if resident else ():
            warm = self._tenants[name].oldest_of(resident, name in fetching)
            if warm and self._turns.tag(name) <= limit:
                return warm
        return self._tenants[tenants[0]].oldest(tenants[0] in fetching)

    def size(self) -> tuple[int, float]:
        """The number of waiting tasks, and their mean cost."""
        count = sum(tenant.count for tenant in self._tenants.values())
        return count, sum(tenant.cost for tenant in self._tenants.values()) / count

    def ahead(self, task: Task, order: float) -> tuple[int, float]:
        """The number of tasks of this class before `task`, and their total cost."""
        own = self._tenants[task.tenant].before(order) if task.tenant in self._tenants else []
        sizes = {
            name: (tenant.count, tenant.cost / tenant.count / tenant.weight) for name, tenant in self._tenants.items()
        }
        others = self._turns.before(task.tenant, sum(own) / task.weight, sizes)
        cost = sum(count * sizes[tenant][1] * self._tenants[tenant].weight for tenant, count in others.items())
        return len(own) + sum(others.values()), sum(own) + cost


class FairQueue:
    """All tasks that wait to be leased by the workers of one pool."""

    def __init__(self) -> None:
        self._waiting: dict[str, Waiting] = {}
        self._turns = StartTimeFairQueueing()
        self._classes: dict[str, ClassQueue] = {priority: ClassQueue() for priority in WEIGHTS}

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._waiting

    @property
    def cost(self) -> float:
        """The cost of all waiting tasks."""
        return sum(waiting.task.cost for waiting in self._waiting.values())

    def add(self, task: Task, order: int) -> None:
        """`order` rises with each new task. A returned task keeps its old number, and so goes to the head."""
        waiting = self._waiting[task.id] = Waiting(task, order)
        self._turns.enter(task.priority)
        self._classes[task.priority].add(waiting)

    def remove(self, task_id: str) -> None:
        """Does nothing for a task that does not wait."""
        waiting = self._waiting.pop(task_id, None)
        if waiting is not None:
            self._classes[waiting.task.priority].remove(waiting)
            self._leave_if_empty(waiting.task.priority)

    def choose(self, resident: Collection[str] = (), fetching: Collection[str] = ()) -> Task | None:
        """The next task, which stays in the queue. Without `resident` models the choice is strictly fair. Of the
        tenants `fetching`, only tasks that fetch nothing are chosen."""
        for priority in self._turns.next(len(self._classes)):
            if (chosen := self._classes[priority].choose(resident, fetching)) is not None:
                return chosen.task
        return None

    def take(self, task: Task) -> None:
        """Removes a waiting task, and charges its class and tenant."""
        waiting = self._waiting.pop(task.id)
        self._classes[task.priority].take(waiting)
        self._turns.charge(task.priority, waiting.cost / WEIGHTS[task.priority])
        self._leave_if_empty(task.priority)

    def ahead(self, task: Task, order: float = math.inf) -> int:
        """The number of strictly fair picks before this task's; exact if costs are equal, else an estimate.

        Without `order`, as if it were added now.
        """
        same_class, cost = self._classes[task.priority].ahead(task, order)
        sizes: dict[str, tuple[int, float]] = {}
        for priority, weight in WEIGHTS.items():
            if waiting := self._classes[priority]:
                count, mean = waiting.size()
                sizes[priority] = (count, mean / weight)
        others = self._turns.before(task.priority, cost / WEIGHTS[task.priority], sizes)
        return same_class + sum(others.values())

    def _leave_if_empty(self, priority: str) -> None:
        if not self._classes[priority]:
            self._turns.leave(priority)


def model_of(task: Task) -> str:
    """The model whose presence makes a worker preferred: the task's first one."""
    return task.models[0] if task.models else ""


def _line_of(waiting: Waiting) -> tuple[str, bool]:
    return model_of(waiting.task), waiting.task.fetches


def _order(waiting: Waiting) -> int:
    return waiting.order
