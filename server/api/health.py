"""Liveness, readiness and metrics, for probes and monitoring."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from server.api.dependencies import ReadinessDep, ServicesDep
from server.api.errors import ErrorReply, error_responses
from server.api.models.broken import broken_models
from server.api.queue_metrics import set_queue_metrics
from server.api.readiness import Part
from server.api.router import Router
from server.observability.metrics import QUEUE, exposition
from server.queue import QueueUnavailableError

router = Router(tags=["server"])


class HealthReply(BaseModel):
    status: str


class ReadyReply(HealthReply):
    parts: dict[str, Part] = Field(description="queue, broker, bucket and workers.")
    broken_models: dict[str, str] = Field(description="Models that cannot be used, and why. Tasks of others run.")


class NotReadyReply(ErrorReply):
    parts: dict[str, Part] = Field(description="queue, broker, bucket and workers.")


NOT_READY: dict[str, Any] = {"model": NotReadyReply, "description": "No task can be accepted now; `parts` says why."}


@router.get("/healthz", responses=error_responses())
async def is_alive() -> HealthReply:
    """The process answers."""
    return HealthReply(status="alive")


@router.get("/readyz", responses=error_responses() | {503: NOT_READY})
async def is_ready(readiness: ReadinessDep, services: ServicesDep) -> ReadyReply:
    """Tasks can be accepted: the queue has read the logs, the log and the bucket can be written, and a worker is ready.
    Otherwise 503; `parts` says which of them are not ready, and why. A broken model makes nothing else unready."""
    parts = await readiness.check()
    broken = broken_models(services.catalog, (await services.queue.overview()).workers)
    return ReadyReply(status="ready", parts=parts, broken_models=broken)


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
