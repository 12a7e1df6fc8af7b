"""Every metric that Hua exposes, by name. Labels are few and bounded: no tenants, prompts or task ids."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from server.queue import Overview

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

REQUEST_SECONDS = Histogram(
    "hua_http_request_seconds",
    "Time from a request's first byte to its answer's last one.",
    ["method", "route", "status"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
    registry=REGISTRY,
)
TASKS_ACCEPTED = Counter("hua_tasks_accepted", "Tasks written to the log.", ["type"], registry=REGISTRY)
TASKS_ENDED = Counter("hua_tasks_ended", "Tasks settled, by how they ended.", ["type", "status"], registry=REGISTRY)
REQUESTS_REFUSED = Counter(
    "hua_requests_refused", "Requests refused, by route and the error's code.", ["route", "code"], registry=REGISTRY
)
TASKS_QUEUED = Gauge("hua_tasks_queued", "Tasks that wait for a worker.", registry=REGISTRY)
TASKS_RUNNING = Gauge("hua_tasks_running", "Tasks that a worker has leased.", registry=REGISTRY)
QUEUED_COST = Gauge("hua_queued_cost", "Work that waits, in units of one 512x512 image at 20 steps.", registry=REGISTRY)
WORKERS = Gauge("hua_workers", "Workers that live, by state.", ["state"], registry=REGISTRY)


def exposition(overview: Overview) -> bytes:
    """All metrics in the Prometheus text format, those of the queue as `overview` says they are now."""
    TASKS_QUEUED.set(overview.queued)
    TASKS_RUNNING.set(overview.running)
    QUEUED_COST.set(overview.queued_cost)
    for state in ("starting", "ready", "draining"):
        WORKERS.labels(state).set(sum(worker.state == state for worker in overview.workers))
    return generate_latest(REGISTRY)
