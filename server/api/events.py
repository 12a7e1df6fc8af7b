"""The progress of a task as server-sent events."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal

from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel, Field

from server.api.authenticated_route import AuthenticatedRoute
from server.api.dependencies import RecordDep, ServicesDep
from server.api.errors import error_responses
from server.api.router import Router
from server.api.task_response import ProgressReply, TaskReply, task_reply
from server.queue import Progress, View
from server.queue.pools import reason
from server.task import Status
from server.tasks.lookup import find_record


class Waiting(BaseModel):
    position: int | None = Field(
        description="The number of tasks before it, plus one; null while no worker can run it."
    )
    reason: str | None = Field(None, description="Why there is no position: the models that no worker has.")


class Preview(BaseModel):
    jpeg: str = Field(description="The image as it is now, small, in base64.")


class QueuedEvent(BaseModel):
    event: Literal["queued"]
    data: Waiting


class RunningEvent(BaseModel):
    event: Literal["running"]
    data: dict[str, Any] = Field(description="Empty.")


class ProgressEvent(BaseModel):
    event: Literal["progress"]
    data: ProgressReply


class PreviewEvent(BaseModel):
    event: Literal["preview"]
    data: Preview


class EndEvent(BaseModel):
    """The last event."""

    event: Literal["succeeded", "failed", "canceled"]
    data: TaskReply


TaskEvent = Annotated[
    QueuedEvent | RunningEvent | ProgressEvent | PreviewEvent | EndEvent, Field(discriminator="event")
]
"""The lines `event` and `data` of one event. `data` is JSON."""

router = Router(prefix="/v1/tasks", tags=["tasks"], route_class=AuthenticatedRoute)


@router.get(
    "/{task_id}/events",
    response_class=EventSourceResponse,
    responses={
        200: {"model": TaskEvent, "description": "A stream of such events; `data` of each is JSON."},
        **error_responses(401, 404, 410, 422, 503, stream=True),
    },
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
