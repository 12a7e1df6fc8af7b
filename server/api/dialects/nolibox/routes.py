"""The routes of this dialect, with and without the prefix /engine, and below the base path of that API."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from server.api.dependencies import Reader, ServicesDep, Submitter
from server.api.dialects.nolibox import enveloped, portrait, prompts, text
from server.api.dialects.nolibox.answers import STATUSES, status_data
from server.api.dialects.nolibox.push import NoliboxRoute, PushBody, PushReply, PushRoute, RefusedPush, push_task
from server.api.router import Router
from server.services import Services
from server.task import Status
from server.tasks.lookup import LostTaskError, UnknownTaskError, cancel, find_record

MAX_LISTED = 100
BASE = "/prod-open-aigc"
"""The path of that API's base URL, which clients keep when they change only its host."""

Uids = Annotated[list[str], Field(max_length=MAX_LISTED, fail_fast=True)]


class StatusReply(BaseModel):
    status: str = Field(description="pending, working, finished, exception, interrupted or not_found.")
    pending: int = Field(description="While the task is pending: the number of tasks before it, plus one.")
    data: dict[str, Any] | None


NOT_FOUND = StatusReply(status="not_found", pending=0, data=None)


class UidList(BaseModel):
    uid_list: Uids


class InterruptBody(UidList):
    force_interrupt: bool = Field(False, description="Cancel tasks that are running as well.")


class InterruptReply(BaseModel):
    success: bool
    reason: str


class BatchStatusReply(BaseModel):
    results: list[StatusReply]


class InterruptReplies(BaseModel):
    results: list[InterruptReply]


class ServerStatusReply(BaseModel):
    is_ready: bool
    num_pending: int = Field(description="Pending tasks of all tenants.")
    pending_queue: list[str] = Field(description=f"Your pending tasks, at most {MAX_LISTED}.")
    details: dict[str, list[str]] = Field(description=f"Your tasks by status, at most {MAX_LISTED} each.")


class AliveReply(BaseModel):
    status: str


REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": RefusedPush, "description": "Refused; `msg` tells why."}
    for status in (400, 401, 403, 404, 413, 422, 429, 500, 503)
}

router = Router(tags=["nolibox"], route_class=NoliboxRoute)
_routes = APIRouter(route_class=NoliboxRoute, responses=REFUSED)


async def push(body: PushBody, services: ServicesDep, tenant: Submitter) -> PushReply:
    """Accepts a task. Its result is available from /status and is sent to `notify_url`, if that is set."""
    return await push_task(services, tenant, body)


_routes.add_api_route(
    "/push",
    push,
    methods=["POST"],
    responses={200: {"model": PushReply | RefusedPush}},
    route_class_override=PushRoute,
)


@_routes.get("/status/", include_in_schema=False)
async def get_status_of_nothing(tenant: Reader) -> StatusReply:
    """For clients that ask for the status of a task that was refused."""
    return NOT_FOUND


@_routes.get("/status/{uid}")
async def get_status(uid: str, services: ServicesDep, tenant: Reader) -> StatusReply:
    """The state of a task, and its results once it has ended."""
    return await _status(services, uid, tenant)


@_routes.post("/batch_status")
async def get_statuses(body: UidList, services: ServicesDep, tenant: Reader) -> BatchStatusReply:
    """The states of several tasks."""
    replies = await asyncio.gather(*(_status(services, uid, tenant) for uid in body.uid_list))
    return BatchStatusReply(results=list(replies))


@_routes.post("/interrupt")
async def interrupt(body: InterruptBody, services: ServicesDep, tenant: Submitter) -> InterruptReplies:
    """Cancels pending tasks, and with `force_interrupt` running ones as well."""
    replies = [_interrupt(services, uid, tenant, body.force_interrupt) for uid in body.uid_list]
    return InterruptReplies(results=list(await asyncio.gather(*replies)))


@_routes.get("/server_status")
@_routes.post("/server_status")
async def get_server_status(services: ServicesDep, tenant: Reader) -> ServerStatusReply:
    """Whether a worker is ready, and which tasks of the tenant are in which state."""
    overview = await services.queue.overview()
    details = {
        STATUSES[status]: [view.task.id for view in (await services.queue.recent(tenant, status, 1, MAX_LISTED))[0]]
        for status in Status
    }
    return ServerStatusReply(
        is_ready=any(worker.state == "ready" for worker in overview.workers),
        num_pending=overview.queued,
        pending_queue=details[STATUSES[Status.QUEUED]],
        details=details,
    )


@_routes.get("/health")
async def is_alive() -> AliveReply:
    """Whether the server answers at all."""
    return AliveReply(status="alive")


_routes.include_router(prompts.router)
_routes.include_router(text.router)
router.include_router(_routes, prefix="/engine")
router.include_router(enveloped.router)
router.include_router(portrait.router)
for base in ("", BASE):
    router.include_router(_routes, prefix=base, include_in_schema=False)
router.include_router(_routes, prefix=f"{BASE}/engine", include_in_schema=False)
for envelopes in (enveloped.router, portrait.router):
    router.include_router(envelopes, prefix=BASE, include_in_schema=False)


async def _status(services: Services, uid: str, tenant: str) -> StatusReply:
    try:
        record = await find_record(services, uid, tenant)
    except LostTaskError:
        return StatusReply(status="exception", pending=0, data=None)
    except UnknownTaskError:
        return NOT_FOUND
    data = status_data(record, services.links)
    return StatusReply(status=STATUSES[record.view.status], pending=record.view.position, data=data)


async def _interrupt(services: Services, uid: str, tenant: str, force: bool) -> InterruptReply:
    try:
        record = await find_record(services, uid, tenant)
    except UnknownTaskError:
        return InterruptReply(success=False, reason="not found")
    status = record.view.status
    if status.final or (status is not Status.QUEUED and not force):
        return InterruptReply(success=False, reason=f"not in pending status ({STATUSES[status]})")
    ended = await cancel(services, record)
    too_late = ended.view.status in {Status.SUCCEEDED, Status.FAILED}
    return InterruptReply(
        success=not too_late, reason=f"not in pending status ({STATUSES[ended.view.status]})" if too_late else ""
    )
