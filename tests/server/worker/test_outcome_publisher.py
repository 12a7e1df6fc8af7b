"""An outcome is published once, however often the queue has to be notified."""

import asyncio
from dataclasses import replace

import pytest

from server.broker import RecordTooLargeError
from server.queue import Lease, QueueUnavailableError
from server.queue.memory.queue import MemoryQueue
from server.services import Services
from server.storage.bucket import BucketUnavailableError
from server.task import Outcome, Status, Task
from server.worker.outcome_publisher import OutcomePublisher
from server.worker.spool import Spool
from tests.support.attempts import RecordingBroker

TASK = Task(id="0" * 32, type="txt2img.sd", params={"text": "x", "seed": 1}, tenant="t", created_at=1.0)
LEASE = Lease(TASK, "token", "worker")
OUTCOME = Outcome(task=TASK, attempt="token", status=Status.SUCCEEDED, finished_at=2.0)


class UnreachableQueue(MemoryQueue):
    """A queue that is away for the first `failures` calls of `finishing`."""

    def __init__(self, failures: int) -> None:
        super().__init__()
        self.failures = failures

    async def finishing(self, lease: Lease) -> None:
        self.failures -= 1
        if self.failures >= 0:
            raise QueueUnavailableError("away")
        await super().finishing(lease)


@pytest.fixture
def broker() -> RecordingBroker:
    return RecordingBroker()


def new_publisher(services: Services, broker: object, failures: int = 0) -> OutcomePublisher:
    return OutcomePublisher(Spool.of(replace(services, broker=broker)), UnreachableQueue(failures))


async def test_outcome_is_published_once_while_the_queue_is_away(services, broker) -> None:
    await new_publisher(services, broker, failures=2).publish(OUTCOME, LEASE, lambda: False)
    assert broker.outcomes == [OUTCOME]


async def test_queue_is_told_until_the_lease_is_lost(services, broker) -> None:
    lost = asyncio.Event()
    publishing = asyncio.create_task(
        new_publisher(services, broker, failures=1000).publish(OUTCOME, LEASE, lost.is_set)
    )
    while not broker.outcomes:
        await asyncio.sleep(0.01)
    lost.set()
    await publishing
    assert broker.outcomes == [OUTCOME]


async def test_outcome_is_dropped_once_the_lease_is_lost(services, broker) -> None:
    await new_publisher(services, broker).publish(OUTCOME, LEASE, lambda: True)
    assert broker.outcomes == []


async def test_outcome_that_waits_on_disk_is_deleted_once_the_lease_is_lost(services, broker, monkeypatch) -> None:
    async def away(outcome: Outcome) -> None:
        raise BucketUnavailableError("away")

    monkeypatch.setattr(broker, "publish_outcome", away)
    lost, spool = asyncio.Event(), services.settings.data_dir / "spool"
    publishing = asyncio.create_task(new_publisher(services, broker).publish(OUTCOME, LEASE, lost.is_set))
    while not list(spool.glob("*/*.outcome")):
        await asyncio.sleep(0.01)
    lost.set()
    await publishing
    assert list(spool.glob("*/*.outcome")) == []


async def test_outcome_too_large_for_the_log_is_an_error(services, narrow) -> None:
    with pytest.raises(RecordTooLargeError):
        await new_publisher(services, narrow).publish(OUTCOME, LEASE, lambda: False)
