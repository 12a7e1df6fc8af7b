"""What is told of an attempt, and how often."""

import asyncio
from dataclasses import replace

import pytest

from server.broker import RecordTooLargeError
from server.broker.sqlite.broker import SQLiteBroker
from server.queue import Lease, QueueUnavailableError
from server.queue.memory.queue import MemoryQueue
from server.services import Services
from server.task import Outcome, Status, Task
from server.tasks.input_images import InputImages
from server.worker.attempt import Attempt
from server.worker.outcome_publisher import OutcomePublisher

TASK = Task(id="0" * 32, type="txt2img.sd", params={"text": "x", "seed": 1}, tenant="t", created_at=1.0)


class Deaf(MemoryQueue):
    """A queue that is away for the first `times` that it is told."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def finishing(self, lease: Lease) -> None:
        self.times -= 1
        if self.times >= 0:
            raise QueueUnavailableError("away")
        await super().finishing(lease)


class Narrow(SQLiteBroker):
    """A log that takes no answers, and what it was told."""

    told: tuple[Outcome, ...] = ()

    async def publish_outcome(self, outcome: Outcome) -> None:
        if outcome.answer:
            raise RecordTooLargeError("3 bytes are too many for one record; send at most 2")
        self.told += (outcome,)


@pytest.fixture
async def narrow(tmp_path):
    broker = Narrow(tmp_path / "narrow.sqlite")
    yield broker
    await broker.close()


def attempt(services: Services) -> Attempt:
    return Attempt(Lease(TASK, "token", "worker"), InputImages.of(services), services.bucket, lambda _: None)


def made(**what: object) -> Outcome:
    return Outcome(task=TASK, attempt="token", status=Status.SUCCEEDED, finished_at=2.0, **what)


async def test_an_outcome_is_written_once_however_long_the_queue_is_away(services, narrow) -> None:
    queue = Deaf(times=2)
    await OutcomePublisher(replace(services, broker=narrow, queue=queue)).report(attempt(services), made())
    assert narrow.told == (made(),)
    assert queue.times < 0


async def test_a_queue_that_is_away_is_told_until_the_attempt_is_lost(services, narrow) -> None:
    one = attempt(services)
    reporting = asyncio.create_task(
        OutcomePublisher(replace(services, broker=narrow, queue=Deaf(1000))).report(one, made())
    )
    while not narrow.told:
        await asyncio.sleep(0.01)
    one.lose()
    await reporting
    assert narrow.told == (made(),)


async def test_a_result_that_the_log_does_not_take_is_a_failure(services, narrow) -> None:
    """Else it would be made, and refused, again and again."""
    await OutcomePublisher(replace(services, broker=narrow)).report(attempt(services), made(answer={"text": "long"}))
    [told] = narrow.told
    assert told.failure is not None
    assert told.failure.code == "too_large"
