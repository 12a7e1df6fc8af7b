"""The reported positions of queued tasks, in both queues."""

import random

import pytest

from server.task import Status
from tests.server.queue.conftest import accept, drained, lease


async def test_position_uses_weights(queue, make_task) -> None:
    tasks = [make_task(tenant, weight=weight) for _ in range(24) for tenant, weight in (("a", 1), ("b", 2), ("c", 4))]
    random.Random(7).shuffle(tasks)
    await accept(queue, *tasks)
    for _ in range(10):
        await lease(queue)
    waiting = [task.id for task in tasks if (await queue.find(task.id)).status is Status.QUEUED]
    positions = {task_id: (await queue.find(task_id)).position for task_id in waiting}
    order = await drained(queue)
    wrong = [abs(positions[task_id] - expected) for expected, task_id in enumerate(order, 1)]
    assert max(wrong) <= 1


async def test_ingest_returns_the_position_of_waiting_tasks(closed_queue, make_task) -> None:
    first, second = make_task("a"), make_task("a")
    await closed_queue.begin()
    assert await closed_queue.ingest(first) is None
    await closed_queue.open()
    assert await closed_queue.ingest(first) == 1
    assert await closed_queue.ingest(second) == 2
    assert (await lease(closed_queue)).task == first
    assert await closed_queue.ingest(first) is None
    assert await closed_queue.ingest(second) == 1


@pytest.mark.parametrize("seed", range(5))
async def test_positions_match_the_order_of_leases(queue, make_task, seed) -> None:
    rng = random.Random(seed)
    tasks = [make_task(f"t{rng.randrange(4)}", cost=2.0) for _ in range(40)]
    await accept(queue, *tasks)
    for _ in range(rng.randrange(10)):
        await lease(queue)
    waiting = [task.id for task in tasks if (await queue.find(task.id)).status is Status.QUEUED]
    positions = {task_id: (await queue.find(task_id)).position for task_id in waiting}
    run = await drained(queue)
    assert {task_id: index + 1 for index, task_id in enumerate(run)} == positions


async def test_positions_across_classes_and_costs_are_close(queue, make_task) -> None:
    rng = random.Random(3)
    tasks = [
        make_task(f"t{rng.randrange(6)}", cost=rng.uniform(1, 3), priority=rng.choice(["high", "normal", "low"]))
        for _ in range(150)
    ]
    await accept(queue, *tasks)
    positions = {task.id: (await queue.find(task.id)).position for task in tasks}
    run = await drained(queue)
    errors = [abs(index + 1 - positions[task_id]) for index, task_id in enumerate(run)]
    assert sum(errors) / len(errors) <= 8
    assert positions[run[0]] <= 3
