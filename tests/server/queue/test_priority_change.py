"""A task that is in the log once more with another priority, in both queues."""

import asyncio

from server.task import Status
from tests.server.queue.conftest import accept, drained, lease


async def test_waiting_task_moves_to_its_new_class(queue, make_task) -> None:
    tasks = [make_task(priority="low") for _ in range(4)]
    await accept(queue, *tasks, make_task("other", priority="high"))
    *_, third, last = tasks
    before = (await queue.find(last.id)).position
    assert await queue.ingest(last.model_copy(update={"priority": "high"})) < before
    assert (await queue.find(last.id)).task.priority == "high"
    assert {line.priority: line.count for line in (await queue.overview()).lines} == {"high": 2, "normal": 0, "low": 3}
    run = await drained(queue)
    assert run.index(last.id) < run.index(third.id)
    assert sum(line.count for line in (await queue.overview()).lines) == 0


async def test_task_keeps_its_place_by_age(queue, make_task) -> None:
    older, newer = make_task(), make_task(priority="high")
    await accept(queue, older, newer)
    await queue.ingest(older.model_copy(update={"priority": "high"}))
    assert await drained(queue) == [older.id, newer.id]


async def test_running_task_gets_it_when_it_waits_again(queue, make_task) -> None:
    task, other = make_task(), make_task(priority="high")
    await accept(queue, task)
    held = await lease(queue)
    assert await queue.ingest(task.model_copy(update={"priority": "high"})) is None
    assert (await queue.find(task.id)).status is Status.RUNNING
    await accept(queue, other)
    await queue.give_back(held)
    assert await drained(queue) == [task.id, other.id]


async def test_settled_task_does_not_change(queue, make_task, make_manifest) -> None:
    task = make_task()
    await accept(queue, task)
    await queue.settle(make_manifest(task))
    assert await queue.ingest(task.model_copy(update={"priority": "high"})) is None
    assert (await queue.find(task.id)).task.priority == "normal"


async def test_watchers_see_the_change(queue, make_task) -> None:
    task, changed = make_task(), asyncio.Event()
    await accept(queue, task)

    async def watch() -> str:
        async for view in queue.watch(task.id):
            if view.task.priority == "low":
                return view.task.priority
            changed.set()
        return ""

    watching = asyncio.create_task(watch())
    await changed.wait()
    await queue.ingest(task.model_copy(update={"priority": "low"}))
    assert await watching == "low"
