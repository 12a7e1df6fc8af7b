"""Sets the gauges of the queue from its overview. Every api reports the same values."""

from __future__ import annotations

import time

from server.observability import metrics
from server.queue import Overview

PRESUMED_PACE_S = 2.0
"""Device seconds per unit of cost until a worker has measured it: about what a T4 takes."""


def set_queue_metrics(overview: Overview) -> None:
    pace_s = _pace(overview)
    for line in overview.lines:
        metrics.TASKS_QUEUED.labels(line.priority).set(line.count)
        metrics.QUEUED_COST.labels(line.priority).set(line.cost)
    metrics.PACE.set(pace_s)
    metrics.QUEUED_GPU_SECONDS.set(sum(line.cost for line in overview.lines) * pace_s)
    metrics.TASKS_WITHOUT_MODEL.set(sum(each.count for each in overview.missing))
    metrics.TASKS_RUNNING.set(overview.running)
    metrics.OLDEST_WAITING.set(max(time.time() - overview.oldest_at, 0.0) if overview.oldest_at else 0.0)
    metrics.CALLBACKS_WAITING.set(overview.callbacks)
    metrics.CALLBACKS_DUE.set(overview.callbacks_due)
    for state in ("starting", "ready", "draining"):
        metrics.WORKERS.labels(state).set(sum(worker.state == state for worker in overview.workers))


def _pace(overview: Overview) -> float:
    measured = [worker.pace_s for worker in overview.workers if worker.pace_s]
    return sum(measured) / len(measured) if measured else PRESUMED_PACE_S
