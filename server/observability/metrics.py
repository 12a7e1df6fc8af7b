"""Every metric that Hua exposes; the table of docs/metrics.md is made from this file.

Labels are few and bounded: no tenants, prompts or task ids. Each role reports its own work. Every api reports the same
values of the queue (server/api/queue_metrics.py), and none while the queue does not answer.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable
from importlib.metadata import version
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from server.task import POISON

REGISTRY, QUEUE_REGISTRY = CollectorRegistry(), CollectorRegistry()
ProcessCollector(registry=REGISTRY)

SHORT_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
LONG_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
ROWS = (1, 2, 4, 8, 16, 32, 64)


class Metric(NamedTuple):
    """A row of the table."""

    name: str
    kind: str
    labels: tuple[str, ...]
    roles: str
    meaning: str


METRICS: list[Metric] = []


class Part:
    """What one worker adds to a gauge: several workers of one process add up to its value."""

    def __init__(self, gauge: Gauge) -> None:
        self._gauge = gauge
        self._value = 0.0

    def set(self, value: float) -> None:
        self._gauge.inc(value - self._value)
        self._value = value


def _counter(roles: str, name: str, meaning: str, *labels: str) -> Counter:
    METRICS.append(Metric(f"{name}_total", "counter", labels, roles, meaning))
    return Counter(name, meaning, labels, registry=REGISTRY)


def _gauge(roles: str, name: str, meaning: str, *labels: str, of_queue: bool = False) -> Gauge:
    METRICS.append(Metric(name, "gauge", labels, roles, meaning))
    return Gauge(name, meaning, labels, registry=QUEUE_REGISTRY if of_queue else REGISTRY)


def _histogram(roles: str, name: str, meaning: str, *labels: str, buckets: tuple[float, ...]) -> Histogram:
    METRICS.append(Metric(name, "histogram", labels, roles, meaning))
    return Histogram(name, meaning, labels, buckets=buckets, registry=REGISTRY)


class Age(Collector):
    """A gauge of the seconds since a unix time. It is absent until one is set, because 0 would mean all is well."""

    def __init__(self, roles: str, name: str, meaning: str) -> None:
        METRICS.append(Metric(name, "gauge", (), roles, meaning))
        self._name, self._meaning = name, meaning
        self._is_set = False
        self._at: float | None = None
        REGISTRY.register(self)

    def since(self, at: float | None) -> None:
        """`None` means that there is nothing to be late; the gauge is then 0."""
        self._is_set, self._at = True, at

    def describe(self) -> Iterable[Family]:
        return [GaugeMetricFamily(self._name, self._meaning)]

    def collect(self) -> Iterable[Family]:
        if self._is_set:
            age_s = max(time.time() - self._at, 0.0) if self._at is not None else 0.0
            yield GaugeMetricFamily(self._name, self._meaning, age_s)


# --- http

REQUEST_SECONDS = _histogram(
    "api",
    "hua_http_request_seconds",
    "Time from a request's first byte to the last byte of its answer.",
    "method",
    "route",
    "status",
    buckets=SHORT_S,
)
REQUESTS_REFUSED = _counter(
    "api", "hua_requests_refused", "Requests refused, by route and the error's code.", "route", "code"
)
CONNECTIONS_CLOSED = _counter(
    "api",
    "hua_connections_closed",
    "Connections closed because the client kept the server waiting (late) or others needed its place (full).",
    "reason",
)

# --- tasks

TASKS_ACCEPTED = _counter("api", "hua_tasks_accepted", "Tasks written to the log.", "type", "class")
TASKS_ENDED = _counter("controller", "hua_tasks_ended", "Tasks settled, by how they ended.", "type", "class", "status")
TRANSLATIONS = _counter(
    "api",
    "hua_translations",
    "Clauses of Chinese prompts, by engine (gloss, model, llm) and what became of them: ok, cached, unknown (the gloss "
    "knows no word of it); late, failed, babble and busy go to the gloss.",
    "engine",
    "result",
)
FAILURES = _counter(
    "controller", "hua_failures", "Tasks settled as failed, by the failure's code; poison is one.", "code"
)
for code in (
    POISON,
    "internal",
    "bad_model",
    "out_of_memory",
):  # start at 0: increase() does not see a first value of 1
    FAILURES.labels(code)
IMAGES_MADE = _counter(
    "controller", "hua_images_made", "Images of tasks that succeeded; no hints, nothing withheld.", "type"
)
IMAGES_WITHHELD = _counter("controller", "hua_images_withheld", "Images and hints that the audit withholds.", "type")
TASK_SECONDS = _histogram(
    "controller",
    "hua_task_seconds",
    "Time from accepting a task to the end of its work, for tasks that succeeded.",
    "type",
    "class",
    buckets=LONG_S,
)
STAGE_SECONDS = _histogram(
    "worker, controller",
    "hua_stage_seconds",
    "Time a task spends in each stage: wait (for a worker), fetch, load (waiting for models), prepare (prompt and "
    "source encoded), denoise (steps or tiles), decode, audit, moderation, encode (PNG, JPEG, WebP), upload, settle "
    "(from the end of the work to its manifest), callback (one try, with the wait for a connection).",
    "stage",
    buckets=LONG_S,
)

TEXT_AUDIT_MATCHES = _counter(
    "api, worker",
    "hua_text_audit_matches",
    "Texts with words of a word list, and what happened: report, mask, refuse. The list `moderation` is the service.",
    "list",
    "action",
)
MODERATION_SECONDS = _histogram(
    "api, worker",
    "hua_moderation_seconds",
    "Time of one request to the moderation service, by kind (text, image) and result (passed, flagged, timeout, "
    "unknown).",
    "kind",
    "result",
    buckets=SHORT_S,
)

# --- the queue, reported by every api alike

TASKS_QUEUED = _gauge("api", "hua_tasks_queued", "Tasks that wait for a worker.", "class", of_queue=True)
TASKS_WITHOUT_MODEL = _gauge(
    "api", "hua_tasks_without_model", "Waiting tasks whose models no live worker has; also queued.", of_queue=True
)
TASKS_RUNNING = _gauge("api", "hua_tasks_running", "Tasks that a worker has leased.", of_queue=True)
QUEUED_COST = _gauge(
    "api", "hua_queued_cost", "Waiting work, in units of one 512x512 image at 20 steps.", "class", of_queue=True
)
PACE = _gauge(
    "api",
    "hua_pace_seconds",
    "Device seconds per unit of cost, as workers measure it; 2 until they have.",
    of_queue=True,
)
QUEUED_GPU_SECONDS = _gauge(
    "api",
    "hua_queued_gpu_seconds",
    "Waiting work, in seconds of one device; for a class it is its cost times the pace.",
    of_queue=True,
)
GROUP_QUEUED_GPU_SECONDS = _gauge(
    "api",
    "hua_group_queued_gpu_seconds",
    "Waiting work that the live workers of a group (HUA_WORKER_GROUP) can do, in seconds of one device.",
    "group",
    of_queue=True,
)
UNCLAIMED_GPU_SECONDS = _gauge(
    "api",
    "hua_unclaimed_gpu_seconds",
    "Waiting work that no live worker can do, in seconds of one device; all of it while no worker lives, or one that "
    "names no group.",
    of_queue=True,
)
OLDEST_WAITING = _gauge(
    "api", "hua_oldest_waiting_seconds", "Age of the task that has waited longest; 0 if none waits.",
    of_queue=True,
)  # fmt: skip
CALLBACKS_WAITING = _gauge(
    "api",
    "hua_callbacks_waiting",
    "Callbacks that are not delivered yet, including retried ones.",
    of_queue=True,
)
CALLBACKS_DUE = _gauge("api", "hua_callbacks_due", "Callbacks that are due and not sent yet.", of_queue=True)
WORKERS = _gauge("api", "hua_workers", "Workers that send heartbeats, by state.", "state", of_queue=True)

# --- dependencies

DEPENDENCY_UP = _gauge(
    "all", "hua_dependency_up", "1 if the queue, the broker or the bucket answered last time, else 0.",
    "dependency",
)  # fmt: skip
DEPENDENCY_ERRORS = _counter(
    "all", "hua_dependency_errors", "Times that the queue, the broker or the bucket could not be used.", "dependency"
)
BUILD = _gauge("all", "hua_build_info", "1, with the running version.", "version", "python")
BUILD.labels(version("hua"), platform.python_version()).set(1)

# --- the worker and its device

WORKER_READY = _gauge(
    "worker", "hua_worker_ready", "Workers of this process that take tasks; `hua serve` has one per device."
)
WORKER_TASKS = _gauge("worker", "hua_worker_tasks", "Tasks that the workers of this process have leased.")
DEVICE_BUSY = _counter(
    "worker", "hua_device_busy_seconds", "Seconds that the device worked; the rate is its utilisation."
)
DEVICE_MEMORY = _gauge(
    "worker",
    "hua_device_memory_bytes",
    "Memory of the device: models (taken by models), used (by all processes), total.",
    "kind",
)
DEVICE_DEATHS = _counter("worker", "hua_device_deaths", "Unexpected ends of the process that owns the device.")
DEVICE_FALLBACKS = _counter(
    "worker",
    "hua_device_fallbacks",
    "Steps whose CUDA graph (capture, replay) or compiled package failed; from then on they run without.",
    "kind",
)
BATCH_ROWS = _histogram(
    "worker", "hua_batch_rows", "Rows of each step's batch; a guided image takes two.", buckets=ROWS
)
MODEL_LOADS = _counter("worker", "hua_model_loads", "Models loaded to the device, from disk or host memory.", "origin")
MODEL_EVICTIONS = _counter(
    "worker", "hua_model_evictions", "Models removed from the device to make room: to host memory or disk.", "target"
)

# --- the controller

LEADING = _gauge("controller", "hua_controller_leading", "1 if this controller reads the logs, 0 if it stands by.")
WORK_ERRORS = _counter(
    "controller",
    "hua_controller_errors",
    "Times that a job of it failed and was restarted.",
    "work",
)
LEASES_EXPIRED = _counter("controller", "hua_leases_expired", "Leases that expired for want of a heartbeat.")
CALLBACK_TRIES = _counter(
    "controller", "hua_callback_tries", "Callbacks sent: delivered, again (to be retried), parked (given up).", "result"
)
for result in ("delivered", "again", "parked"):
    CALLBACK_TRIES.labels(result)
UNSETTLED_AGE = Age(
    "controller",
    "hua_oldest_unsettled_seconds",
    "Age of the task that holds back the committed offset; 0 if none does.",
)
SWEEPER_LAG = Age("controller", "hua_sweeper_lag_seconds", "Time since the last complete sweep of expired images.")
OBJECTS_SWEPT = _counter("controller", "hua_objects_swept", "Objects deleted because their retention was over.")
KEPT_IMAGES = _gauge("controller", "hua_kept_images", "Images that are kept without end, counted every six hours.")
KEPT_BYTES = _gauge("controller", "hua_kept_bytes", "Bytes of the images that are kept without end.")
KEEPS_REFUSED = _counter(
    "api, controller", "hua_keeps_refused", "Tasks whose images are not kept because their tenant has no room left."
)


class Dependency:
    """Records whether a service that Hua depends on answers."""

    def __init__(self, name: str) -> None:
        self._name = name
        DEPENDENCY_ERRORS.labels(name)

    def answered(self) -> None:
        DEPENDENCY_UP.labels(self._name).set(1)

    def failed(self) -> None:
        DEPENDENCY_UP.labels(self._name).set(0)
        DEPENDENCY_ERRORS.labels(self._name).inc()


QUEUE, BROKER, BUCKET = Dependency("queue"), Dependency("broker"), Dependency("bucket")


def exposition(*, with_queue: bool = False) -> bytes:
    """All metrics in the Prometheus text format; those of the queue only where they were just set."""
    if not with_queue:
        return generate_latest(REGISTRY)
    return generate_latest(REGISTRY) + generate_latest(QUEUE_REGISTRY)


def table() -> str:
    """Every metric, its labels and its meaning, as a Markdown table."""
    rows = []
    for name, kind, labels, roles, meaning in METRICS:
        shown = ", ".join(f"`{label}`" for label in labels)
        rows.append(f"| `{name}` | {kind} | {shown} | {roles} | {meaning} |")
    return "\n".join(["| Metric | Kind | Labels | Reported by | Meaning |", "|---|---|---|---|---|", *rows])
