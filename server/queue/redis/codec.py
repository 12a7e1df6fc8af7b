"""Encodes tasks, leases and workers as Redis stores them: flat fields of bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from server.queue import Lease, LineView, Overview, Progress, View, WorkerView
from server.queue.fair_queue import LEAST_COST, WEIGHTS
from server.queue.redis.scripts import Argument
from server.task import Manifest, Status, Task

STATES: dict[Status, tuple[str, ...]] = {Status.QUEUED: ("admitted", "waiting")}
"""The states of Redis for a status, if they differ from its name. An admitted task is not in the log yet."""


def encode_task(task: Task) -> tuple[Argument, ...]:
    """The arguments of admit.lua and ingest.lua."""
    model = task.models[0] if task.models else ""
    cost = max(task.cost, LEAST_COST)
    order = (cost, task.weight, task.created_at, int(task.fetches))
    return task.id, task.tenant, task.priority, model, *order, task.model_dump_json()


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


def encode_worker(worker: WorkerView) -> str:
    return json.dumps(asdict(worker))


def decode_worker(value: bytes, seen_at: bytes) -> WorkerView:
    """Ignores fields of later versions."""
    known = {field.name for field in fields(WorkerView)}
    worker = WorkerView(**{name: value for name, value in json.loads(value).items() if name in known})
    return replace(worker, resident=tuple(worker.resident), seen_at=float(seen_at))


def decode_overview(reply: Sequence[Any]) -> Overview:
    """Decodes the answer of overview.lua."""
    queued, running, oldest_at, callbacks, callbacks_due, lines, workers = reply
    waiting = {name.decode(): (int(count), float(cost)) for name, count, cost in _chunks(lines, 3)}
    return Overview(
        queued=queued,
        running=running,
        queued_cost=sum(cost for _, cost in waiting.values()),
        workers=tuple(sorted((decode_worker(*pair) for pair in _chunks(workers, 2)), key=lambda worker: worker.name)),
        lines=tuple(LineView(priority, *waiting[priority]) for priority in WEIGHTS),
        oldest_at=float(oldest_at) if oldest_at else None,
        callbacks=callbacks,
        callbacks_due=callbacks_due,
    )


def _chunks(flat: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (flat[start : start + size] for start in range(0, len(flat), size))


def _time(value: bytes | None) -> float | None:
    return None if value is None else float(value)


def _progress(fields: dict[str, bytes]) -> Progress | None:
    if "step" not in fields:
        return None
    return Progress(int(fields["step"]), int(fields["steps"]), fields["preview"])
