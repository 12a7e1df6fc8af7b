"""Tasks, leases and workers as Redis keeps them: flat fields of bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace

from server.queue import Lease, Progress, View, WorkerView
from server.queue.fair import LEAST_COST
from server.queue.scripts import Argument
from server.task import Manifest, Status, Task

STATES: dict[Status, tuple[str, ...]] = {Status.QUEUED: ("admitted", "waiting")}
"""What Redis calls a status where that is not its own name: an admitted task is not in the log yet."""


def packed_task(task: Task) -> tuple[Argument, ...]:
    """As admit.lua and ingest.lua take it."""
    model = task.models[0] if task.models else ""
    cost = max(task.cost, LEAST_COST)
    return task.id, task.tenant, task.priority, model, cost, task.weight, task.created_at, task.model_dump_json()


def packed_end(manifest: Manifest) -> Iterator[Argument]:
    """The fields that are kept of a task that has ended."""
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


def view(reply: Sequence[bytes]) -> View:
    """Of {position, field, value, …}, as ahead.lua answers it."""
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


def lost_lease(reply: Sequence[bytes]) -> Lease:
    """Of {body, token, worker, deaths, whether it is poison}."""
    body, token, worker, deaths, poison = reply
    task = Task.model_validate_json(body)
    return Lease(task, token.decode(), worker.decode(), int(deaths), poison=bool(int(poison)))


def packed_worker(worker: WorkerView) -> str:
    return json.dumps(asdict(worker))


def worker_view(said: bytes, seen_at: bytes) -> WorkerView:
    worker = WorkerView(**json.loads(said))
    return replace(worker, resident=tuple(worker.resident), seen_at=float(seen_at))


def _time(value: bytes | None) -> float | None:
    return None if value is None else float(value)


def _progress(fields: dict[str, bytes]) -> Progress | None:
    if "step" not in fields:
        return None
    return Progress(int(fields["step"]), int(fields["steps"]), fields["preview"])
