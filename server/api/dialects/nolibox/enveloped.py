"""The routes that answer in an envelope of `code`, `msg` and `data`: /engine/push/draft and /open/task/list.

The documents of that API show the fields of a list of tasks with few values. The other values here are our own.
"""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from server.api.dependencies import Reader, ServicesDep, Submitter
from server.api.dialects.dialect import DialectRoute
from server.api.dialects.nolibox.push import PushBody, PushRoute, push_task
from server.api.errors import Problem
from server.queue import TaskLimitError, View
from server.task import Status

MAX_PAGE = 100

STATES = {Status.QUEUED: 0, Status.RUNNING: 1, Status.SUCCEEDED: 2, Status.FAILED: 3, Status.CANCELED: 4}


D = TypeVar("D")


class Uid(BaseModel):
    uid: str


class Envelope(BaseModel, Generic[D]):
    code: int = 0
    data: D
    msg: str = "success"


class DraftReply(Envelope[Uid]):
    pass


class ListedTask(BaseModel):
    id: int = Field(description="A number that belongs to the task.")
    type: int = Field(description="2: the task has input images. 1: it has none.")
    state: int = Field(description="0 pending, 1 working, 2 finished, 3 exception, 4 interrupted.")
    query_code: str = Field(description="The uid of the task.")
    trans_id: int = Field(0, description="Always 0: this server has no credits.")
    notify_url: str
    create_time: int = Field(description="Unix seconds.")
    update_time: int = Field(description="Unix seconds of the latest change of `state`.")


class TaskList(BaseModel):
    page_index: int
    page_size: int
    total: int
    list: list[ListedTask]


class TaskListReply(Envelope[TaskList]):
    pass


class EnvelopedRefusal(BaseModel):
    code: int = Field(description="The HTTP status, or 7001 with HTTP 200: too many unfinished tasks.")
    data: dict[str, Any]
    msg: str


class EnvelopedRoute(DialectRoute):
    @staticmethod
    def refuse(problem: Problem) -> Response:
        limited = problem.code == str(TaskLimitError.code)
        code, message = (TaskLimitError.code, "task limit") if limited else (problem.status, problem.message)
        body = EnvelopedRefusal(code=code, data={}, msg=message).model_dump()
        return JSONResponse(body, 200 if limited else problem.status, dict(problem.headers))


class DraftRoute(EnvelopedRoute, PushRoute):
    pass


REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": EnvelopedRefusal, "description": "Refused; `msg` tells why."}
    for status in (400, 401, 403, 413, 422, 429, 500, 503)
}

router = APIRouter(route_class=EnvelopedRoute, responses=REFUSED)


class DraftBody(PushBody):
    """As for /engine/push. Without `task`: img2img.sd if there is a `url`, otherwise txt2img.sd."""

    task: str = Field("", max_length=64, examples=["txt2img.sd"])


async def push_draft(body: DraftBody, services: ServicesDep, tenant: Submitter) -> DraftReply:
    """Accepts a task, as /engine/push does, and answers in an envelope."""
    has_picture = bool(body.params.get("url") or (body.model_extra or {}).get("url"))
    task = body.task or ("img2img.sd" if has_picture else "txt2img.sd")
    reply = await push_task(services, tenant, body.model_copy(update={"task": task}))
    return DraftReply(data=Uid(uid=reply.uid))


router.add_api_route(
    "/engine/push/draft",
    push_draft,
    methods=["POST"],
    responses={200: {"model": DraftReply | EnvelopedRefusal}},
    route_class_override=DraftRoute,
)


@router.get("/open/task/list")
async def list_tasks(
    services: ServicesDep,
    tenant: Reader,
    page_index: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    page_size: Annotated[int, Query(ge=1, description=f"More than {MAX_PAGE} count as {MAX_PAGE}.")] = 10,
) -> TaskListReply:
    """Your tasks, newest first."""
    size = min(page_size, MAX_PAGE)
    views, total = await services.queue.recent(tenant, None, page_index, size)
    tasks = [_listed(view) for view in views]
    return TaskListReply(data=TaskList(page_index=page_index, page_size=size, total=total, list=tasks))


def _listed(view: View) -> ListedTask:
    task = view.task
    return ListedTask(
        id=int(task.id[:13], 16),  # 52 bits, which JavaScript reads exactly
        type=2 if task.fetches else 1,
        state=STATES[view.status],
        query_code=task.id,
        notify_url=task.callback.url if task.callback else "",
        create_time=int(task.created_at),
        update_time=int(view.finished_at or view.started_at or task.created_at),
    )
