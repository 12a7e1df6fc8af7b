"""Attempts at tasks, for tests."""

from __future__ import annotations

import asyncio

from server.queue import Lease
from server.services import Services
from server.task import Outcome, Task
from server.tasks.input_images import InputImages
from server.worker.attempt import Attempt, AttemptContext
from server.worker.device_metrics import DeviceMetrics
from server.worker.device_places import DevicePlaces
from server.worker.device_process import Device
from server.worker.outcome_publisher import OutcomePublisher
from server.worker.spool import Spool


class RecordingBroker:
    """A log that only keeps its outcomes."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    async def publish_outcome(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


async def leased(services: Services, task: Task) -> Lease:
    """The lease of a new task."""
    await services.queue.ingest(task)
    lease = await services.queue.lease("worker:cpu:1", (), 5.0)
    assert lease is not None
    return lease


def new_attempt(
    services: Services, lease: Lease, inputs: InputImages | None = None, device: Device | None = None
) -> Attempt:
    """`device` runs it; None while the device process restarts."""
    context = AttemptContext(
        services,
        inputs or InputImages.of(services),
        OutcomePublisher(Spool.of(services), services.queue),
        DeviceMetrics(),
        DevicePlaces(lambda: device),
        asyncio.create_task,
    )
    return Attempt(lease, context)
