"""Encodes tasks, leases and workers as Redis stores them: flat fields of bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from server.queue import Lease, LineView, MissingView, Overview, Progress, View, WorkerView
from server.queue.fair_queue import LEAST_COST, WEIGHTS
from server.queue.pools import EVERY_TASK, group_views
from server.queue.redis.scripts import Argument
from server.task import Manifest, Status, Task

STATES: dict[Status, tuple[str, ...]] = {Status.QUEUED: ("admitted", "waiting")}
"""The states of Redis for a status, if they differ from its name. An admitted task is not in the log yet."""


def encode_task(task: Task) -> tuple[Argument, ...]:
    """The arguments of admit.lua and ingest.lua."""
    cost = max(task.cost, LEAST_COST)
    order = (cost, task.weight, task.created_at, int(task.fetches))
    return task.id, task.tenant, task.priority, json.dumps(task.models), *order, task.model_dump_json()


def encode_result(manifest: Manifest) -> Iterator[Argument]:
    """The stored fields of an ended task."""
    outcome = manifest.outcome
    fields: dict[str, Argument | None] = {
        "body": outcome.task.model_dump_json(),
        "tenant": outcome.task.tenant,
        "state": outcome.status.value,
        "started_at": outcome.started_at,
        "finished_at": outcome.finished_at,
        "worker": outcome.worker,
    }
    for name, value in fields.items():
        if value is not None:
            yield from (name, value)


def decode_view(reply: Sequence[bytes]) -> View:
    """Decodes {position, field, value, …}, the answer of ahead.lua."""
    fields = dict(zip((name.decode() for name in reply[1::2]), reply[2::2], strict=True))
    state = fields["state"].decode()
    return View(
        task=Task.model_validate_json(fields["body"]),
        status=Status.QUEUED if state in STATES[Status.QUEUED] else Status(state),
        position=int(reply[0]),
        missing=tuple(json.loads(fields["missing"])) if state in STATES[Status.QUEUED] and not reply[0] else (),
        started_at=_time(fields.get("started_at")),
        finished_at=_time(fields.get("finished_at")),
        progress=_progress(fields),
        worker=fields.get("worker", b"").decode(),
        stale="stale" in fields,
        accepted=state != "admitted",
    )


def decode_expired_lease(reply: Sequence[bytes]) -> Lease:
    """Decodes {body, token, worker, deaths, whether it is poison}."""
    body, token, worker, deaths, poison = reply
    task = Task.model_validate_json(body)
    return Lease(task, token.decode(), worker.decode(), int(deaths), poison=bool(int(poison)))


def encode_worker(worker: WorkerView, pool: str) -> str:
    """Without its models, which are stored once for each pool: they may be thousands, and rarely change."""
    return json.dumps(asdict(replace(worker, models=None)) | {"pool": pool})


def decode_worker(value: bytes, seen_at: bytes) -> tuple[WorkerView, str]:
    """A worker without its models, and its pool. Ignores fields of later versions."""
    known = {field.name for field in fields(WorkerView)}
    stored = json.loads(value)
    worker = WorkerView(**{name: value for name, value in stored.items() if name in known})
    return replace(worker, resident=tuple(worker.resident), seen_at=float(seen_at)), stored.get("pool", EVERY_TASK.id)


def decode_overview(reply: Sequence[Any], workers: Sequence[WorkerView], pools: Sequence[str]) -> Overview:
    """Decodes the answer of overview.lua; `workers` and the `pools` of these are decoded already."""
    queued, running, oldest_at, callbacks, callbacks_due, lines, _, missing, costs = reply
    waiting = {name.decode(): (int(count), float(cost)) for name, count, cost in _chunks(lines, 3)}
    return Overview(
        queued=queued,
        running=running,
        queued_cost=sum(cost for _, cost in waiting.values()),
        workers=tuple(sorted(workers, key=lambda worker: worker.name)),
        lines=tuple(LineView(priority, *waiting[priority]) for priority in WEIGHTS),
        oldest_at=float(oldest_at) if oldest_at else None,
        missing=tuple(sorted((_missing_view(*each) for each in _chunks(missing, 3)), key=lambda view: view.models)),
        groups=group_views(
            ((worker.group, pool) for worker, pool in zip(workers, pools, strict=True)),
            {pool.decode(): float(cost) for pool, cost in _chunks(costs, 2)},
        ),
        callbacks=callbacks,
        callbacks_due=callbacks_due,
    )


def _missing_view(models: bytes, count: bytes, cost: bytes) -> MissingView:
    return MissingView(tuple(json.loads(models)), int(count), float(cost))


def _chunks(flat: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (flat[start : start + size] for start in range(0, len(flat), size))


def _time(value: bytes | None) -> float | None:
    return None if value is None else float(value)


def _progress(fields: dict[str, bytes]) -> Progress | None:
    if "step" not in fields:
        return None
    return Progress(int(fields["step"]), int(fields["steps"]), fields["preview"])
