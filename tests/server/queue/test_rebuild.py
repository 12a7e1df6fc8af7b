"""An empty queue serves nothing until the logs are replayed, in both queues."""

import asyncio

import pytest

from server.queue import QueueIncompleteError, TaskLimitError, Verdict
from server.task import Status
from tests.server.queue.conftest import accept, drained, lease


async def test_admit_refuses_before_the_replay(closed_queue, make_task) -> None:
    """I8: the tasks that a tenant has are in there."""
    mine, others = make_task("a"), make_task("a")
    with pytest.raises(QueueIncompleteError, match="still being read"):
        await closed_queue.admit(mine, 1)
    await closed_queue.begin()
    await closed_queue.ingest(others)
    with pytest.raises(QueueIncompleteError):
        await closed_queue.admit(mine, 1)
    existing = await closed_queue.admit(others, 1)
    assert existing is not None
    assert existing.task == others
    await closed_queue.open()
    with pytest.raises(TaskLimitError):
        await closed_queue.admit(mine, 1)
    assert await closed_queue.find(mine.id) is None


async def test_lease_waits_for_the_replay(closed_queue, make_task) -> None:
    waiting = asyncio.create_task(closed_queue.lease("w", (), 5.0))
    task = make_task()
    await closed_queue.begin()
    await closed_queue.ingest(task)
    await asyncio.sleep(0.01)
    assert not waiting.done()
    assert not await closed_queue.complete()
    await closed_queue.open()
    assert await closed_queue.complete()
    assert (await waiting).task == task


async def test_ingest_ignores_the_limit(queue, make_task) -> None:
    """The log is the truth; a queue that was wiped must take all of it."""
    tasks = [make_task() for _ in range(9)]
    for task in tasks:
        await queue.ingest(task)
    with pytest.raises(TaskLimitError):
        await queue.admit(make_task(), 4)
    assert await drained(queue) == [task.id for task in tasks]


async def test_unknown_task_can_be_settled(queue, make_task, make_manifest) -> None:
    """I16"""
    task = make_task()
    await queue.settle(make_manifest(task))
    await queue.ingest(task)
    assert (await queue.find(task.id)).status is Status.SUCCEEDED
    assert await queue.lease("w", (), 0) is None


async def test_replay_restores_an_emptied_queue(queue, empty, make_task, make_manifest) -> None:
    """I16"""
    tasks = [make_task(f"t{number % 2}") for number in range(8)]
    await accept(queue, *tasks)
    ended = (await lease(queue)).task
    held = await lease(queue)
    queue = await empty(queue)
    assert not await queue.complete()
    assert await queue.heartbeat(held, None) is Verdict.LOST
    await queue.begin()
    await queue.settle(make_manifest(ended))
    for task in tasks * 2:
        await queue.ingest(task)
    assert await queue.lease("w", (), 0) is None
    await queue.open()
    assert sorted(await drained(queue)) == sorted(task.id for task in tasks if task != ended)
