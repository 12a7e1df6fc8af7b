"""The memory of the in-memory queue is bounded. Tests for both queues are in the parent folder."""

import pytest

from server.queue import DueCallback, WorkerView
from server.queue.memory.queue import MemoryQueue


@pytest.fixture
def kind() -> str:
    return "memory"


async def test_memory_is_bounded_by_unfinished_tasks(clock, make_task, make_manifest) -> None:
    """I17"""
    queue = MemoryQueue(clock, most_finished=10)
    await queue.open()
    for number in range(500):
        task, worker = make_task(f"tenant-{number}", models=("m",)), f"worker-{number}"
        await queue.admit(task, 5)
        await queue.ingest(task)
        await queue.announce(WorkerView(worker, "cpu"))
        leased = await queue.lease(worker, ("m",), 1.0)
        async for _ in queue.watch(task.id):
            break
        if number % 3 == 0:
            await queue.died(leased)
        await queue.settle(make_manifest(task))
        await queue.add_callback(DueCallback(task.id, 0.0))
        await queue.drop_callback(task.id)
        clock.pass_by(60)
    await queue.overview()
    assert len(queue._finished) == 10
    assert len(queue._finished._by_tenant) == 10
    indexes = (queue._unfinished._by_id, queue._unfinished._by_tenant, queue._unfinished._by_token)
    line = (queue._queue._waiting, *(waiting._tenants for waiting in queue._queue._classes.values()))
    assert [len(each) for each in (*indexes, *line, queue._callbacks._callbacks, queue._workers._picks)] == [0] * 9


async def test_dropped_result_is_not_found(clock, make_task, make_manifest) -> None:
    queue = MemoryQueue(clock, most_finished=2)
    tasks = [make_task() for _ in range(3)]
    for task in tasks:
        await queue.settle(make_manifest(task))
    assert [await queue.find(task.id) is None for task in tasks] == [True, False, False]


async def test_watcher_sees_the_end_of_a_dropped_task(clock, make_task, make_manifest) -> None:
    queue, tasks = MemoryQueue(clock, most_finished=1), [make_task() for _ in range(3)]
    await queue.ingest(tasks[0])
    views = queue.watch(tasks[0].id)
    await anext(views)
    for task in tasks:
        await queue.settle(make_manifest(task))
    assert await queue.find(tasks[0].id) is None
    assert (await anext(views)).status.final
    await views.aclose()
