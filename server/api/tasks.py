"""Our own routes for tasks: submit, get, list, cancel, delete or keep images, replay the callback."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field

import pipelines
from models.catalog.catalog import UnknownModelError
from server.api.authenticated_route import AuthenticatedRoute, SubmissionRoute
from server.api.dependencies import ChangeableRecordDep, Reader, RecordDep, ServicesDep, Submitter
from server.api.errors import error_responses
from server.api.router import Router
from server.api.task_request import ACCEPTED_RESPONSES, SubmissionHeadersDep, TaskEnvelope, submit_and_reply
from server.api.task_response import TaskReply, task_reply
from server.queue import View
from server.services import Services
from server.task import AnyRetention, Keep, Priority, Status
from server.tasks.callback_replay import replay_callback
from server.tasks.image_deletion import delete_images
from server.tasks.lookup import TaskRecord, UnknownTaskError, cancel, load_record
from server.tasks.priority_change import change_priority
from server.tasks.retention import change_retention
from server.tasks.search import Filters, find_tasks

router = Router(prefix="/v1/tasks", tags=["tasks"], route_class=AuthenticatedRoute)


class PriorityChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    priority: Priority = Field(description="One that your tenant may use.")


class TaskPage(BaseModel):
    tasks: list[TaskReply]
    total: int
    page: int
    per_page: int


class RetentionRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    retention: AnyRetention = Field(
        description="`keep`: without end, within the quota of the tenant. Others count from the end of the task, or "
        "from now if the images were kept until now."
    )


async def submit_task(
    body: TaskEnvelope, services: ServicesDep, tenant: Submitter, headers: SubmissionHeadersDep, response: Response
) -> TaskReply:
    """Submits a task of any type. An accepted task is durable: it survives a crash of the server."""
    return await submit_and_reply(services, tenant, body.type, body, body.params, headers, response)


router.add_api_route(
    "",
    submit_task,
    methods=["POST"],
    status_code=202,
    responses=ACCEPTED_RESPONSES,
    route_class_override=SubmissionRoute,
)


@router.get("/{task_id}", responses=error_responses(401, 404, 410, 422, 503))
async def get_task(record: RecordDep, services: ServicesDep) -> TaskReply:
    """The current state of a task."""
    return task_reply(record, services.links)


@router.get("", responses=error_responses(401, 404, 422, 503))
async def list_tasks(
    services: ServicesDep,
    tenant: Reader,
    status: Annotated[Status | None, Query(description="Only tasks with this status.")] = None,
    type: Annotated[
        list[str] | None, Query(max_length=100, description="Only tasks of these types; may be repeated.")
    ] = None,
    model: Annotated[
        str, Query(max_length=300, description="Only tasks that use this model, by a name or alias; also a LoRA.")
    ] = "",
    text: Annotated[
        str, Query(max_length=1000, description="Only tasks whose prompts have all of these words, in any case.")
    ] = "",
    retention: Annotated[
        Keep | None, Query(description="`keep`: only tasks whose images are kept without end.")
    ] = None,
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    per_page: Annotated[int, Query(ge=1, le=100)] = 20,
) -> TaskPage:
    """Your tasks, newest first. Results of the last days, and all tasks whose images are kept."""
    filters = Filters(
        status=status,
        types=frozenset(pipelines.find(name).names[0] for name in type or ()),
        model=_name_of(services, model),
        words=tuple(text.split()),
        kept=retention is not None,
    )
    views, total = await find_tasks(services, tenant, filters, page, per_page)
    records = await asyncio.gather(*(_record_or_none(services, view) for view in views))
    tasks = [task_reply(record, services.links) for record in records if record]
    return TaskPage(tasks=tasks, total=total, page=page, per_page=per_page)


@router.delete(
    "/{task_id}",
    responses={
        200: {"description": "The task has ended: it is canceled now, or had ended before."},
        202: {"model": TaskReply, "description": "The cancellation is in the log; the worker stops at its next step."},
        **error_responses(401, 404, 410, 422, 503),
    },
)
async def cancel_task(record: ChangeableRecordDep, services: ServicesDep, response: Response) -> TaskReply:
    """Cancels a queued or running task; a task that has ended does not change."""
    record = await cancel(services, record)
    response.status_code = 200 if record.manifest else 202
    return task_reply(record, services.links)


@router.put("/{task_id}/priority", responses=error_responses(400, 401, 404, 409, 410, 422, 503))
async def change_task_priority(body: PriorityChange, record: ChangeableRecordDep, services: ServicesDep) -> TaskReply:
    """Moves a waiting task into another priority class. A task that runs or has ended answers 409."""
    return task_reply(await change_priority(services, record, body.priority), services.links)


@router.put("/{task_id}/retention", responses=error_responses(400, 401, 403, 404, 409, 410, 422, 503))
async def change_task_retention(
    body: RetentionRequest, record: ChangeableRecordDep, services: ServicesDep
) -> TaskReply:
    """Changes how long the images of an ended task stay: `keep` for without end, or an end that is still to come. The
    links in the answer are new."""
    return task_reply(await change_retention(services, record, body.retention), services.links)


@router.delete("/{task_id}/images", responses=error_responses(401, 404, 409, 410, 422, 503))
async def delete_task_images(record: ChangeableRecordDep, services: ServicesDep) -> TaskReply:
    """Deletes the images and control maps of an ended task now. The task stays, and says so."""
    return task_reply(await delete_images(services, record), services.links)


@router.post("/{task_id}/callback", status_code=202, responses=error_responses(401, 403, 404, 409, 410, 422, 503))
async def replay_task_callback(record: ChangeableRecordDep, services: ServicesDep) -> TaskReply:
    """Sends the callback of an ended task once more, with the same body and the same `webhook-id`."""
    await replay_callback(services, record)
    return task_reply(record, services.links)


def _name_of(services: Services, model: str) -> str:
    """Its own name, if the model is still there; tasks name it so."""
    try:
        return services.catalog.find(model).name if model else ""
    except UnknownModelError:
        return model


async def _record_or_none(services: Services, view: View) -> TaskRecord | None:
    try:
        return await load_record(services, view)
    except UnknownTaskError:
        return None
