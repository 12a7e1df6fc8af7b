"""Watching a task, in both queues."""

import asyncio
from contextlib import aclosing

import pytest

from server.queue import Progress
from server.task import Status
from tests.server.queue.conftest import accept, lease


async def test_watcher_sees_every_status_to_the_end(queue, make_task, make_manifest) -> None:
    task = make_task()

    news: asyncio.Queue = asyncio.Queue()

    async def watch() -> None:
        async for view in queue.watch(task.id):
            news.put_nowait((view.status, view.progress))

    await queue.admit(task, 1)
    watching = asyncio.create_task(watch())
    async with asyncio.timeout(60):
        assert await news.get() == (Status.QUEUED, None)
        await queue.ingest(task)
        leased = await lease(queue)
        assert await news.get() == (Status.RUNNING, None)
        await queue.heartbeat(leased, Progress(1, 2))
        assert await news.get() == (Status.RUNNING, Progress(1, 2))
        await queue.settle(make_manifest(task))
        await watching
        assert await news.get() == (Status.SUCCEEDED, None)
    assert news.empty()


async def test_slow_watcher_misses_steps_but_not_the_end(queue, make_task, make_manifest) -> None:
    task = make_task()
    await accept(queue, task)
    leased = await lease(queue)
    async with aclosing(queue.watch(task.id)) as views:
        assert (await anext(views)).status is Status.RUNNING
        for step in range(50):
            await queue.heartbeat(leased, Progress(step, 50))
        await queue.settle(make_manifest(task))
        assert (await anext(views)).status is Status.SUCCEEDED
        with pytest.raises(StopAsyncIteration):
            await anext(views)


async def test_watching_an_ended_or_unknown_task_ends_at_once(queue, make_task, make_manifest) -> None:
    task = make_task()
    await queue.settle(make_manifest(task))
    assert [view.status async for view in queue.watch(task.id)] == [Status.SUCCEEDED]
    assert [view async for view in queue.watch("f" * 32)] == []


async def test_watching_a_retracted_task_ends(queue, make_task) -> None:
    task = make_task()
    await queue.admit(task, 1)
    views = queue.watch(task.id)
    assert (await anext(views)).status is Status.QUEUED
    await queue.retract(task)
    with pytest.raises(StopAsyncIteration):
        await anext(views)


async def test_watcher_gets_new_positions(queue, make_task) -> None:
    tasks = [make_task() for _ in range(3)]
    await accept(queue, *tasks)
    views = queue.watch(tasks[2].id)
    assert (await anext(views)).position == 3
    await lease(queue)
    assert (await anext(views)).position == 2
    await views.aclose()
