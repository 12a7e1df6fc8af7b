"""A task followed live, as server-sent events: how long it waits, how far it is, what it becomes."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator

from fastapi import APIRouter
from fastapi.sse import EventSourceResponse, ServerSentEvent

from server.api.dependencies import NamedRecord, ServicesDep
from server.api.errors import error_responses
from server.api.task_response import task_reply
from server.queue import Progress, View
from server.task import Status
from server.tasks.lookup import find_record

router = APIRouter(prefix="/v1/tasks", tags=["tasks"])


@router.get(
    "/{task_id}/events", response_class=EventSourceResponse, responses=error_responses(401, 404, 422, 503, stream=True)
)
async def follow_task(record: NamedRecord, services: ServicesDep) -> AsyncIterator[ServerSentEvent]:
    """Follows a task to its end.

    `queued` {position}, `running` {}, `progress` {step, steps}, `preview` {jpeg: base64}, and last `succeeded`,
    `failed` or `canceled` with the whole task. Every stream begins with where the task is now.
    """
    task, before = record.view.task, None
    if record.manifest is None:
        async for view in services.queue.watch(task.id):
            for event in _news(view, before):
                yield event
            before = view
        record = await find_record(services, task.id, task.tenant)
    if record.manifest is not None:
        yield ServerSentEvent(event=record.view.status.value, data=task_reply(record, services.links))


def _news(view: View, before: View | None) -> Iterator[ServerSentEvent]:
    """What `view` says that the one before did not."""
    if view.status is Status.QUEUED:
        yield ServerSentEvent(event="queued", data={"position": view.position})
    elif view.status is Status.RUNNING:
        if before is None or before.status is not Status.RUNNING:
            yield ServerSentEvent(event="running", data={})
        if view.progress is not None:
            yield from _advances(view.progress, before.progress if before else None)


def _advances(now: Progress, then: Progress | None) -> Iterator[ServerSentEvent]:
    if then is None or then.step != now.step:
        yield ServerSentEvent(event="progress", data={"step": now.step, "steps": now.steps})
    if now.preview and (then is None or then.preview != now.preview):
        yield ServerSentEvent(event="preview", data={"jpeg": base64.b64encode(now.preview).decode()})
