"""The progress of a task as server-sent events."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator

from fastapi.sse import EventSourceResponse, ServerSentEvent

from server.api.authenticated_route import AuthenticatedRoute
from server.api.dependencies import RecordDep, ServicesDep
from server.api.errors import error_responses
from server.api.router import Router
from server.api.task_response import task_reply
from server.queue import Progress, View
from server.queue.pools import reason
from server.task import Status
from server.tasks.lookup import find_record

router = Router(prefix="/v1/tasks", tags=["tasks"], route_class=AuthenticatedRoute)


@router.get(
    "/{task_id}/events",
    response_class=EventSourceResponse,
    responses=error_responses(401, 404, 410, 422, 503, stream=True),
)
async def follow_task(record: RecordDep, services: ServicesDep) -> AsyncIterator[ServerSentEvent]:
    """Follows a task until it ends.

    Events: `queued` {position, or null and a reason}, `running` {}, `progress` {step, steps}, `preview` {jpeg: base64},
    and at the end
    `succeeded`, `failed` or `canceled` with the whole task. The first event tells the current state.
    """
    task, previous = record.view.task, None
    if record.manifest is None:
        async for view in services.queue.watch(task.id):
            for event in _events(view, previous):
                yield event
            previous = view
        record = await find_record(services, task.id, task.tenant)
    if record.manifest is not None:
        yield ServerSentEvent(event=record.view.status.value, data=task_reply(record, services.links))


def _events(view: View, previous: View | None) -> Iterator[ServerSentEvent]:
    """What has changed since the previous view."""
    if view.status is Status.QUEUED:
        why = {"reason": reason(view.missing)} if view.missing else {}
        yield ServerSentEvent(event="queued", data={"position": view.position or None, **why})
    elif view.status is Status.RUNNING:
        if previous is None or previous.status is not Status.RUNNING:
            yield ServerSentEvent(event="running", data={})
        if view.progress is not None:
            yield from _progress_events(view.progress, previous.progress if previous else None)


def _progress_events(progress: Progress, previous: Progress | None) -> Iterator[ServerSentEvent]:
    if previous is None or previous.step != progress.step:
        yield ServerSentEvent(event="progress", data={"step": progress.step, "steps": progress.steps})
    if progress.preview and (previous is None or previous.preview != progress.preview):
        yield ServerSentEvent(event="preview", data={"jpeg": base64.b64encode(progress.preview).decode()})
