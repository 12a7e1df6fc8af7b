"""Progress of the caller's requests, and their interruption. Nobody sees or stops those of another key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from server.api.dependencies import CallerDep, ServicesDep
from server.api.dialects.a1111.open_requests import FINAL, ended_tasks, unfinished_requests
from server.api.dialects.a1111.refusals import REFUSED, A1111Route
from server.task import Status
from server.tasks.waiting import cancel_all

router = APIRouter(route_class=A1111Route, responses=REFUSED)
internal_router = APIRouter(prefix="/internal", route_class=A1111Route, responses=REFUSED)


class JobState(BaseModel):
    skipped: bool = False
    interrupted: bool = False
    stopping_generation: bool = False
    job: str = Field("", description="The id of the request that is being painted.")
    job_count: int = Field(0, description="Its tasks; if none is painted, the requests that wait; 0: nothing to do.")
    job_timestamp: str = "0"
    job_no: int = Field(0, description="How many of its tasks have ended.")
    sampling_step: int = 0
    sampling_steps: int = 0


class SamplingReply(BaseModel):
    progress: float = Field(description="0 to 1; 0 while nothing runs.")
    eta_relative: float = Field(description="Seconds until the end, as far as it can be told; else 0.")
    state: JobState
    current_image: str | None = Field(None, description="A preview in base64, or null.")
    textinfo: str | None = None


class InternalProgressRequest(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id_task: str | None = Field(None, description="The `force_task_id` of a request, or an id of pending-tasks.")
    id_live_preview: int | None = -1
    live_preview: bool | None = True


class InternalProgressReply(BaseModel):
    active: bool = False
    queued: bool = False
    completed: bool = False
    progress: float | None = None
    eta: float | None = None
    live_preview: str | None = None
    id_live_preview: int = -1
    textinfo: str = ""


class PendingReply(BaseModel):
    size: int
    tasks: list[str]


@router.get("/progress")
async def get_progress(services: ServicesDep, caller: CallerDep, skip_current_image: bool = False) -> SamplingReply:
    """How far your newest request is that is being painted."""
    caller.require("read")
    requests = await unfinished_requests(services, caller)
    running = next((request for request in requests if request.is_running), None)
    if running is None:
        return SamplingReply(progress=0.0, eta_relative=0.0, state=JobState(job_count=len(requests)))
    ended = await ended_tasks(services, caller, running.id, (Status.SUCCEEDED,))
    step, steps = running.steps
    state = JobState(
        job=running.id,
        job_count=len(running.views) + len(ended),
        job_no=len(ended),
        job_timestamp=f"{datetime.fromtimestamp(running.views[0].task.created_at, UTC):%Y%m%d%H%M%S}",
        sampling_step=step,
        sampling_steps=steps,
    )
    return SamplingReply(
        progress=running.fraction(len(ended)),
        eta_relative=running.seconds_left(services.clock()),
        state=state,
        current_image=None if skip_current_image else running.preview,
    )


@router.post("/interrupt")
async def interrupt(services: ServicesDep, caller: CallerDep) -> dict[str, Any]:
    """Cancels the unfinished requests of your key. What they have painted is in their answers."""
    caller.require("submit")
    requests = await unfinished_requests(services, caller)
    await cancel_all(services, [view for request in requests for view in request.views])
    return {}


@router.post("/skip")
async def skip(services: ServicesDep, caller: CallerDep) -> dict[str, Any]:
    """Cancels what of your key's requests is being painted now. What waits is painted after it."""
    caller.require("submit")
    requests = await unfinished_requests(services, caller)
    await cancel_all(services, [view for request in requests for view in request.running])
    return {}


@internal_router.post("/progress")
async def get_internal_progress(
    body: InternalProgressRequest, services: ServicesDep, caller: CallerDep
) -> InternalProgressReply:
    """The progress of the request `id_task`, which the page of the web UI asks for; without it, of the newest one."""
    caller.require("read")
    requests = await unfinished_requests(services, caller)
    found = next((request for request in requests if body.id_task in (None, "", request.id)), None)
    if found is None:
        is_known = not body.id_task or await ended_tasks(services, caller, body.id_task, FINAL)
        return InternalProgressReply(completed=bool(is_known), textinfo="Waiting...")
    if not found.is_running:
        pending = [request for request in requests if not request.is_running]
        place = len(pending) - pending.index(found)
        return InternalProgressReply(queued=True, textinfo=f"In queue: {place}/{len(pending)}")
    ended = await ended_tasks(services, caller, found.id, (Status.SUCCEEDED,))
    step, _ = found.steps
    shows_preview = body.live_preview and found.preview is not None and body.id_live_preview != step
    return InternalProgressReply(
        active=True,
        progress=found.fraction(len(ended)),
        eta=found.seconds_left(services.clock()),
        live_preview=f"data:image/jpeg;base64,{found.preview}" if shows_preview else None,
        id_live_preview=step,
    )


@internal_router.get("/pending-tasks")
async def get_pending_tasks(services: ServicesDep, caller: CallerDep) -> PendingReply:
    """The ids of your requests that wait, the oldest first: their `force_task_id`, or one that they were given."""
    caller.require("read")
    requests = await unfinished_requests(services, caller)
    waiting = [request.id for request in reversed(requests) if not request.is_running]
    return PendingReply(size=len(waiting), tasks=waiting)
