"""Settled tasks, in both queues."""

import random

from server.queue import Progress, Verdict
from server.task import Status
from tests.server.queue.conftest import accept, drained, lease


async def test_settle_ends_the_lease_and_late_ingest_does_nothing(queue, make_task, make_manifest) -> None:
    """I3"""
    task = make_task()
    await accept(queue, task)
    leased = await lease(queue)
    await queue.settle(make_manifest(task, started_at=7.0, worker="w"))
    assert await queue.heartbeat(leased, Progress(1, 2)) is Verdict.LOST
    await queue.ingest(task)
    await queue.give_back(leased)
    assert await queue.lease("w", (), 0) is None
    view = await queue.find(task.id)
    assert (view.status, view.started_at, view.finished_at, view.worker) == (Status.SUCCEEDED, 7.0, 2000.0, "w")


async def test_canceled_task_never_runs(queue, make_task, make_manifest) -> None:
    """I13"""
    tasks = [make_task(f"t{number % 7}", priority=("high", "normal", "low")[number % 3]) for number in range(200)]
    await accept(queue, *tasks)
    canceled = random.Random(1).sample(tasks, 120)
    for task in canceled:
        await queue.settle(make_manifest(task, Status.CANCELED))
    run = await drained(queue)
    assert sorted(run) == sorted({task.id for task in tasks} - {task.id for task in canceled})
    assert (await queue.overview()).queued == 0
