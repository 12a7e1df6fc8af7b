import asyncio
import time

import pytest

from server.broker.sqlite.broker import SQLiteBroker
from server.controller.intake import Intake
from server.observability.metrics import REGISTRY
from server.task import Status


@pytest.fixture
def intake(broker, queue, bucket) -> Intake:
    return Intake(broker, queue, bucket)


@pytest.fixture
async def running(intake):
    """A running intake that has caught up."""
    work = asyncio.create_task(intake.run())
    await asyncio.wait_for(intake.caught_up.wait(), 60)
    yield intake
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def uncommitted(path) -> list[str]:
    """The ids that a new reader of the log gets."""
    broker, found = SQLiteBroker(path / "logs.sqlite"), []
    async for _, task in broker.tasks():
        if task is None:
            break
        found.append(task.id)
    await broker.close()
    return found


async def test_intake_feeds_the_queue_from_the_log(broker, queue, intake, make_task) -> None:
    before, after = make_task(), make_task()
    await broker.publish_task(before)
    work = asyncio.create_task(intake.run())
    await asyncio.wait_for(intake.caught_up.wait(), 60)
    assert (await queue.find(before.id)).status is Status.QUEUED
    await broker.publish_task(after)
    await queue.open()
    leased = [await queue.lease("w", (), 5.0) for _ in range(2)]
    assert [lease.task for lease in leased] == [before, after]
    work.cancel()


async def test_task_with_a_manifest_is_known_and_not_run_again(
    broker, queue, bucket, intake, make_task, make_manifest, tmp_path
) -> None:
    """I1, I16"""
    task = make_task()
    await broker.publish_task(task)
    await bucket.put_manifest(make_manifest(task))
    work = asyncio.create_task(intake.run())
    await asyncio.wait_for(intake.caught_up.wait(), 60)
    work.cancel()
    await queue.open()
    assert await queue.lease("w", (), 0) is None
    assert (await queue.find(task.id)).status is Status.SUCCEEDED
    assert await uncommitted(tmp_path) == []


async def test_log_is_committed_up_to_the_lowest_unsettled_task(broker, queue, intake, make_task, tmp_path) -> None:
    """I2"""
    tasks = [make_task() for _ in range(5)]
    for task in tasks:
        await broker.publish_task(task)
    work = asyncio.create_task(intake.run())
    await asyncio.wait_for(intake.caught_up.wait(), 60)
    left = [task.id for task in tasks]
    for index, remain in ((1, left), (3, left), (0, left[2:]), (2, left[4:]), (4, [])):
        await intake.settled(tasks[index].id)
        await intake.settled(tasks[index].id)
        assert await uncommitted(tmp_path) == remain
    work.cancel()


async def test_duplicate_record_runs_once_and_both_are_committed(broker, queue, running, make_task, tmp_path) -> None:
    task, other = make_task(), make_task()
    for each in (task, other, task):
        await broker.publish_task(each)
    await queue.open()
    leased = [await queue.lease("w", (), 5.0) for _ in range(2)]
    assert [lease.task for lease in leased] == [task, other]
    assert await queue.lease("w", (), 0.3) is None
    await running.settled(task.id)
    assert await uncommitted(tmp_path) == [other.id, task.id]
    await running.settled(other.id)
    assert await uncommitted(tmp_path) == []


async def test_settling_during_intake_does_not_hold_the_log(
    broker, queue, bucket, make_task, make_manifest, tmp_path
) -> None:
    """The manifest is written just after the intake looked for it."""
    task = make_task()
    await broker.publish_task(task)

    class LateBucket:
        async def manifest(self, task_id, *, recent=False):
            found = await bucket.manifest(task_id)
            await bucket.put_manifest(make_manifest(task))
            await queue.settle(make_manifest(task))
            await intake.settled(task_id)
            return found

    intake = Intake(broker, queue, LateBucket())
    work = asyncio.create_task(intake.run())
    await asyncio.wait_for(intake.caught_up.wait(), 60)
    work.cancel()
    await queue.open()
    assert await queue.lease("w", (), 0) is None
    assert await uncommitted(tmp_path) == []


async def test_run_begins_at_the_committed_offset(broker, queue, intake, make_task, tmp_path) -> None:
    tasks = [make_task() for _ in range(3)]
    for task in tasks:
        await broker.publish_task(task)
    for _ in range(3):
        intake.caught_up.clear()
        work = asyncio.create_task(intake.run())
        await asyncio.wait_for(intake.caught_up.wait(), 60)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
    assert (await queue.overview()).queued == 3
    for task in tasks:
        await intake.settled(task.id)
    assert await uncommitted(tmp_path) == []


async def test_unsettled_age_is_reported(broker, running, make_task) -> None:
    def age() -> float:
        return REGISTRY.get_sample_value("hua_oldest_unsettled_seconds")

    first, second = make_task(created_at=time.time() - 500), make_task(created_at=time.time() - 100)
    assert age() == 0
    for task in (first, second):
        await broker.publish_task(task)
    while not running.has_read(second.id):
        await asyncio.sleep(0.01)
    assert 500 <= age() < 600
    await running.settled(first.id)
    assert 100 <= age() < 200
    await running.settled(second.id)
    assert age() == 0
