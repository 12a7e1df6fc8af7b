"""How busy the server is: what is queued, what runs, and the state of each worker."""

from __future__ import annotations

from pydantic import BaseModel, Field

from server.api.dependencies import ServicesDep
from server.api.errors import error_responses
from server.api.router import Router

router = Router(prefix="/v1", tags=["server"])


class WorkerReply(BaseModel):
    name: str
    device: str
    state: str = Field(description="starting, ready or draining.")
    problem: str = Field(description="Why its device is not ready; empty if it is.")
    running: int = Field(description="Tasks it is running.")
    room: int = Field(description="Further tasks that it could run at the same time.")
    resident: list[str] = Field(description="Models on its device.")
    memory_bytes: int = Field(description="Bytes that these models take on the device.")


class MissingReply(BaseModel):
    models: list[str]
    tasks: int = Field(description="Tasks that wait for a worker with these models.")


class OverviewReply(BaseModel):
    queued: int
    running: int
    queued_cost: float = Field(description="Queued work, in units of one 512×512 image at 20 steps.")
    missing: list[MissingReply] = Field(description="Models that no live worker has, but that waiting tasks name.")
    workers: list[WorkerReply]


@router.get("/overview", responses=error_responses(401, 503))
async def get_overview(services: ServicesDep) -> OverviewReply:
    """Queued and running tasks of all tenants, and the workers."""
    overview = await services.queue.overview()
    return OverviewReply(
        queued=overview.queued,
        running=overview.running,
        queued_cost=overview.queued_cost,
        missing=[MissingReply(models=list(each.models), tasks=each.count) for each in overview.missing],
        workers=[
            WorkerReply(
                name=worker.name,
                device=worker.device,
                state=worker.state,
                problem=worker.problem,
                running=worker.running,
                room=worker.room,
                resident=list(worker.resident),
                memory_bytes=worker.memory_bytes,
            )
            for worker in overview.workers
        ],
    )
