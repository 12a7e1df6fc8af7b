"""The memory of the in-memory queue is bounded. Tests for both queues are in the parent folder."""

import pytest

from server.queue import DueCallback, WorkerView
from server.queue.memory.queue import MemoryQueue
from tests.support.reachable import reachable_objects


@pytest.fixture
def kind() -> str:
    return "memory"


async def run_tasks(queue: MemoryQueue, numbers: range, clock, make_task, make_manifest) -> None:
    """Takes tasks through their whole life, each of its own tenant and on its own worker."""
    for number in numbers:
        task, worker = make_task(f"tenant-{number}", models=("m",)), f"worker-{number}"
        await queue.admit(task, 5)
        await queue.ingest(task)
        await queue.announce(WorkerView(worker, "cpu"))
        lease = await queue.lease(worker, ("m",), 1.0)
        async for _ in queue.watch(task.id):
            break
        if number % 3 == 0:
            await queue.died(lease)
        await queue.settle(make_manifest(task))
        await queue.add_callback(DueCallback(task.id, 0.0))
        await queue.drop_callback(task.id)
        clock.pass_by(60)
    await queue.overview()


async def test_memory_is_bounded_by_unfinished_tasks(clock, make_task, make_manifest) -> None:
    """I17"""
    queue = MemoryQueue(clock, most_finished=10)
    await queue.open()
    await run_tasks(queue, range(50), clock, make_task, make_manifest)
    before = reachable_objects(queue)
    await run_tasks(queue, range(50, 500), clock, make_task, make_manifest)
    assert reachable_objects(queue) <= before + 20  # numbers, which small ones share


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
