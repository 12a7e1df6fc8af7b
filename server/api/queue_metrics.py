"""Sets the gauges of the queue from its overview. Every api reports the same values."""

from __future__ import annotations

import time
from collections.abc import Collection

from server.observability import metrics
from server.queue import Overview, WorkerView

PRESUMED_PACE_S = 2.0
"""Device seconds per unit of cost until a worker has measured it: about what a T4 takes."""


def set_queue_metrics(overview: Overview) -> None:
    pace_s = _pace(overview.workers, PRESUMED_PACE_S)
    for line in overview.lines:
        metrics.TASKS_QUEUED.labels(line.priority).set(line.count)
        metrics.QUEUED_COST.labels(line.priority).set(line.cost)
    metrics.PACE.set(pace_s)
    metrics.QUEUED_GPU_SECONDS.set(sum(line.cost for line in overview.lines) * pace_s)
    metrics.UNCLAIMED_GPU_SECONDS.set(_unclaimed_cost(overview) * pace_s)
    metrics.GROUP_QUEUED_GPU_SECONDS.clear()
    for group in overview.groups:
        pace_of_group = _pace([worker for worker in overview.workers if worker.group == group.name], pace_s)
        metrics.GROUP_QUEUED_GPU_SECONDS.labels(group.name).set(group.cost * pace_of_group)
    metrics.TASKS_WITHOUT_MODEL.set(sum(each.count for each in overview.missing))
    metrics.TASKS_RUNNING.set(overview.running)
    metrics.OLDEST_WAITING.set(max(time.time() - overview.oldest_at, 0.0) if overview.oldest_at else 0.0)
    metrics.CALLBACKS_WAITING.set(overview.callbacks)
    metrics.CALLBACKS_DUE.set(overview.callbacks_due)
    for state in ("starting", "ready", "draining"):
        metrics.WORKERS.labels(state).set(sum(worker.state == state for worker in overview.workers))


def _pace(workers: Collection[WorkerView], default_s: float) -> float:
    measured = [worker.pace_s for worker in workers if worker.pace_s]
    return sum(measured) / len(measured) if measured else default_s


def _unclaimed_cost(overview: Overview) -> float:
    """What a group without live workers has to come for: all, while it is not known whom the live workers belong to."""
    if all(worker.group for worker in overview.workers) and overview.workers:
        return sum(each.cost for each in overview.missing)
    return sum(line.cost for line in overview.lines)
