"""Progress of the caller's newest request, and its interruption. Nobody sees or stops the tasks of another tenant."""

from __future__ import annotations

import base64
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from server.api.dependencies import Reader, ServicesDep, Submitter
from server.api.dialects.a1111.generation import NAME
from server.api.dialects.a1111.refusals import REFUSED, A1111Route
from server.queue import View
from server.services import Services
from server.task import Status
from server.tasks.waiting import cancel_all

MOST_TASKS = 100
router = APIRouter(route_class=A1111Route, responses=REFUSED)
internal_router = APIRouter(prefix="/internal", route_class=A1111Route, responses=REFUSED)


class JobState(BaseModel):
    skipped: bool = False
    interrupted: bool = False
    stopping_generation: bool = False
    job: str = ""
    job_count: int = Field(0, description="Unfinished tasks of the newest request; 0: nothing runs.")
    job_timestamp: str = "0"
    job_no: int = 0
    sampling_step: int = 0
    sampling_steps: int = 0


class ProgressReply(BaseModel):
    progress: float = Field(description="0 to 1; 0 while nothing runs.")
    eta_relative: float = Field(description="Seconds until the end, as far as it can be told; else 0.")
    state: JobState
    current_image: str | None = Field(None, description="A preview in base64, or null.")
    textinfo: str | None = None


class InternalProgressRequest(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id_task: str | None = None
    id_live_preview: int | None = -1
    live_preview: bool | None = True


class InternalProgressReply(BaseModel):
    active: bool
    queued: bool
    completed: bool
    progress: float | None
    eta: float | None
    live_preview: str | None
    id_live_preview: int
    textinfo: str


class PendingReply(BaseModel):
    size: int
    tasks: list[str]


@router.get("/progress")
async def get_progress(services: ServicesDep, tenant: Reader, skip_current_image: bool = False) -> ProgressReply:
    """How far your newest request is."""
    views = await unfinished(services, tenant)
    running = next((view for view in views if view.status is Status.RUNNING), None)
    if running is None:
        return ProgressReply(progress=0.0, eta_relative=0.0, state=JobState(job_count=len(views)))
    step, steps = (running.progress.step, running.progress.steps) if running.progress else (0, 0)
    state = JobState(job="scripts", job_count=len(views), sampling_step=step, sampling_steps=steps)
    return ProgressReply(
        progress=_fraction(running),
        eta_relative=_seconds_left(running, services.clock()),
        state=state.model_copy(update={"job_timestamp": f"{running.task.created_at:.0f}"}),
        current_image=None if skip_current_image else _preview(running),
    )


@router.post("/interrupt")
@router.post("/skip")
async def interrupt(services: ServicesDep, tenant: Submitter) -> dict[str, Any]:
    """Cancels your unfinished tasks of this API. What they have painted is in the answer of their request."""
    await cancel_all(services, await unfinished(services, tenant))
    return {}


@internal_router.post("/progress")
async def get_internal_progress(
    body: InternalProgressRequest, services: ServicesDep, tenant: Reader
) -> InternalProgressReply:
    """The progress that the page of the web UI asks for."""
    views = await unfinished(services, tenant)
    running = next((view for view in views if view.status is Status.RUNNING), None)
    preview = _preview(running) if running and body.live_preview else None
    step = running.progress.step if running and running.progress else -1
    return InternalProgressReply(
        active=running is not None,
        queued=running is None and bool(views),
        completed=not views,
        progress=_fraction(running) if running else None,
        eta=_seconds_left(running, services.clock()) if running else None,
        live_preview=preview and f"data:image/jpeg;base64,{preview}",
        id_live_preview=step,
        textinfo="Waiting..." if views and running is None else "",
    )


@internal_router.get("/pending-tasks")
async def get_pending_tasks(services: ServicesDep, tenant: Reader) -> PendingReply:
    """The ids of your tasks that wait."""
    waiting = [view.task.id for view in await unfinished(services, tenant) if view.status is Status.QUEUED]
    return PendingReply(size=len(waiting), tasks=waiting)


async def unfinished(services: Services, tenant: str) -> list[View]:
    """The tenant's unfinished tasks that came in this dialect, newest first."""
    views = []
    for status in (Status.RUNNING, Status.QUEUED):
        found, _ = await services.queue.recent(tenant, status, 1, MOST_TASKS)
        views += [view for view in found if view.task.dialect == NAME]
    return sorted(views, key=lambda view: view.task.created_at, reverse=True)


def _fraction(view: View) -> float:
    """At least a little: clients take 0 for "nothing runs"."""
    progress = view.progress
    return max(progress.step / progress.steps, 0.01) if progress and progress.steps else 0.01


def _seconds_left(view: View, now: float) -> float:
    progress = view.progress
    if progress is None or not progress.step or view.started_at is None:
        return 0.0
    return max((now - view.started_at) * (progress.steps - progress.step) / progress.step, 0.0)


def _preview(view: View) -> str | None:
    return base64.b64encode(view.progress.preview).decode() if view.progress and view.progress.preview else None
