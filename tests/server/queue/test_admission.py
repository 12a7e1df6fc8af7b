"""Admission and the task limit, in both queues."""

import asyncio
import contextlib

import pytest

from server.queue import QueueUnavailableError, TaskLimitError
from server.task import Status
from tests.server.queue.conftest import accept, lease


async def test_admit_keeps_the_limit_under_concurrency(queue, make_task) -> None:
    """I8"""
    tasks = [make_task("a") for _ in range(500)]

    async def admit(task):
        while True:  # a machine under load may take longer to answer so many than a queue is waited for
            with contextlib.suppress(QueueUnavailableError):
                return await queue.admit(task, 4)

    answers = await asyncio.gather(*map(admit, tasks), return_exceptions=True)
    refused = [each for each in answers if isinstance(each, TaskLimitError)]
    assert len(refused) == 496
    assert {(error.code, error.limit) for error in refused} == {(7001, 4)}
    assert (await queue.recent("a", None, 1, 100))[1] == 4
    assert await queue.admit(make_task("b"), 4) is None, "each tenant has a limit of its own"


async def test_slot_is_freed_however_a_task_ends(queue, make_task, make_manifest) -> None:
    """I8"""
    for status in (Status.SUCCEEDED, Status.FAILED, Status.CANCELED):
        task = make_task()
        await accept(queue, task, limit=1)
        with pytest.raises(TaskLimitError):
            await queue.admit(make_task(), 1)
        for _ in range(3):
            await queue.settle(make_manifest(task, status))
    assert await queue.admit(make_task(), 1) is None
    with pytest.raises(TaskLimitError):
        await queue.admit(make_task(), 1)


async def test_retract_leaves_no_slot_and_no_trace(queue, make_task) -> None:
    """I8"""
    task = make_task()
    await queue.admit(task, 1)
    await queue.retract(task)
    await queue.retract(task)
    assert await queue.find(task.id) is None
    assert await queue.admit(make_task(), 1) is None


async def test_ingested_task_is_not_retracted(queue, make_task) -> None:
    task = make_task()
    await accept(queue, task)
    await queue.retract(task)
    assert (await lease(queue)).task == task


async def test_repeated_admit_returns_the_first_task(queue, make_task, make_manifest) -> None:
    task = make_task()
    answers = await asyncio.gather(*(queue.admit(task, 10) for _ in range(100)))
    assert sum(view is None for view in answers) == 1
    assert (await queue.recent("t", None, 1, 9))[1] == 1
    await queue.settle(make_manifest(task))
    assert (await queue.admit(task, 10)).status is Status.SUCCEEDED


async def test_admitted_task_is_not_leased_before_ingest(queue, make_task) -> None:
    task = make_task()
    await queue.admit(task, 1)
    assert (await queue.find(task.id)).status is Status.QUEUED
    assert (await queue.find(task.id)).position == 1
    assert not (await queue.admit(task, 1)).accepted
    assert (await queue.overview()).queued == 1
    assert await queue.lease("w", (), 0) is None
    await queue.ingest(task)
    assert (await queue.admit(task, 1)).accepted
    assert (await lease(queue)).task == task
