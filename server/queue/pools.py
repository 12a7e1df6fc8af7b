"""Which workers can serve which tasks. Workers with the same models form a pool, and each pool has its own fair queue.

Turns are counted within each pool, so that tasks that wait for one pool neither hold up others nor save up turns there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from server.queue.protocol import GroupView, WorkerView


@dataclass(frozen=True, slots=True)
class Pool:
    """The models of its workers."""

    id: str
    """Equal for equal models, in every process."""
    models: frozenset[str] | None
    """None: they are not known, and the pool takes every task."""
    broken: frozenset[str] = frozenset()
    """Models that its workers cannot load. A pool takes such tasks only to fail them, if no pool can load the model."""

    def has(self, model: str) -> bool:
        return self.models is not None and (model in self.models or model in self.broken)

    def loads(self, model: str) -> bool:
        return self.models is not None and model in self.models and model not in self.broken


EVERY_TASK = Pool("any", None)
"""The pool of workers that do not say what they have, and the only one while no worker lives."""


def pool_of(worker: WorkerView) -> Pool:
    if worker.models is None:
        return EVERY_TASK
    broken = frozenset(worker.broken)
    names = "\n".join([*sorted(worker.models), "", *sorted(broken)])
    return Pool(hashlib.sha256(names.encode()).hexdigest()[:32], worker.models, broken)


def group_views(workers: Iterable[tuple[str, str]], costs: Mapping[str, float]) -> tuple[GroupView, ...]:
    """What each group can serve. `workers`: group and pool id of each worker. `costs`: waiting work by pool id.

    Workers of a group have equal models, except while a change of the models folder arrives at one after the other.
    """
    groups: dict[str, float] = {}
    for group, pool in workers:
        if group:
            groups[group] = max(groups.get(group, 0.0), costs.get(pool, 0.0))
    return tuple(GroupView(*pair) for pair in sorted(groups.items()))


def serving(models: Iterable[str], pools: Collection[Pool]) -> list[Pool]:
    """The pools that take a task with these models."""
    needed = frozenset(models)
    loadable = {model for model in needed if any(pool.loads(model) for pool in pools)}
    return [
        pool
        for pool in pools
        if pool.models is None
        or all(pool.loads(model) or (pool.has(model) and model not in loadable) for model in needed)
    ]


def missing(models: Collection[str], pools: Collection[Pool]) -> tuple[str, ...]:
    """The models that no pool has; all of them if no pool has them together; none if a pool takes the task."""
    if serving(models, pools):
        return ()
    return tuple(model for model in models if not any(pool.has(model) for pool in pools)) or tuple(models)


def reason(missing: Collection[str]) -> str:
    """Why a task waits that misses these models; empty if it misses none."""
    if not missing:
        return ""
    return f"no worker has {'all of ' if len(missing) > 1 else ''}{', '.join(missing)}"
