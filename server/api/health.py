"""Liveness, readiness and metrics, for probes and monitoring."""

from __future__ import annotations

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel

from server.api.dependencies import ServicesDep
from server.api.errors import error_responses
from server.api.queue_metrics import set_queue_metrics
from server.observability.metrics import QUEUE, exposition
from server.queue import QueueIncompleteError, QueueUnavailableError

router = APIRouter(tags=["server"])


class NotReadyError(Exception):
    """No worker is ready."""


class HealthReply(BaseModel):
    status: str


@router.get("/healthz", responses=error_responses())
async def is_alive() -> HealthReply:
    """The process answers."""
    return HealthReply(status="alive")


@router.get("/readyz", responses=error_responses(503))
async def is_ready(services: ServicesDep) -> HealthReply:
    """The queue can be reached and has read the logs, and at least one worker is ready; otherwise 503."""
    if not await services.queue.complete():
        raise QueueIncompleteError
    states = [worker.state for worker in (await services.queue.overview()).workers]
    if "ready" not in states:
        detail = f"the workers are {', '.join(states)}" if states else "there is none"
        raise NotReadyError(f"no worker is ready: {detail}; wait a moment, or read the worker's log")
    return HealthReply(status="ready")


@router.get("/metrics", response_class=Response, responses=error_responses())
async def get_metrics(services: ServicesDep) -> Response:
    """Metrics in Prometheus text format; the queue's metrics are left out while the queue cannot be reached."""
    try:
        overview = await services.queue.overview()
    except QueueUnavailableError:
        return Response(exposition(), media_type=CONTENT_TYPE_LATEST)
    QUEUE.answered()
    set_queue_metrics(overview)
    return Response(exposition(with_queue=True), media_type=CONTENT_TYPE_LATEST)
