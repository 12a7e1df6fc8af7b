"""A queue in Redis that loses all data under load, with the real controller."""

import asyncio
import contextlib
import random
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from server.controller import Controller
from server.controller.callbacks import Callbacks
from server.egress.client import Egress
from server.queue import QueueUnavailableError, Verdict
from server.queue.redis.queue import RedisQueue
from server.storage.bucket_keys import MANIFESTS
from server.task import Outcome, Status

WORKERS = 4


@pytest.fixture
async def queue(redis_url) -> AsyncIterator[RedisQueue]:
    queue = RedisQueue(redis_url)
    yield queue
    await queue.close()


@pytest.fixture
async def controller(broker, queue, bucket) -> AsyncIterator[None]:
    """A running controller."""
    callbacks = Callbacks(queue, bucket, Egress(), lambda manifest: b"", b"secret")
    running = asyncio.create_task(Controller(broker, queue, bucket, callbacks).run())
    yield
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


class Workers:
    """Workers that need a moment for each task, and publish its outcome only while they hold the lease."""

    def __init__(self, broker, queue) -> None:
        self._broker = broker
        self._queue = queue
        self.runs: Counter[str] = Counter()

    async def work(self, name: str) -> None:
        while True:
            with contextlib.suppress(QueueUnavailableError):
                if lease := await self._queue.lease(name, (), 1.0):
                    self.runs[lease.task.id] += 1
                    await asyncio.sleep(random.uniform(0.02, 0.1))
                    if await self._queue.heartbeat(lease, None) is Verdict.OK:
                        await self._report(lease)

    async def _report(self, lease) -> None:
        finished_at = time.time()
        outcome = Outcome(
            task=lease.task, attempt=lease.token, status=Status.SUCCEEDED, worker=lease.worker, finished_at=finished_at
        )
        await self._broker.publish_outcome(outcome)
        await self._queue.finishing(lease)


@pytest.fixture
async def workers(broker, queue) -> AsyncIterator[Workers]:
    workers = Workers(broker, queue)
    working = [asyncio.create_task(workers.work(f"w{number}")) for number in range(WORKERS)]
    yield workers
    for each in working:
        each.cancel()
    await asyncio.gather(*working, return_exceptions=True)


async def until_settled(bucket, count) -> None:
    """Lists all manifests at once: polling task by task would be too slow to catch the moment."""
    async with asyncio.timeout(60):
        while len(await bucket.keys(MANIFESTS)) < count:
            await asyncio.sleep(0.02)


def outcomes(path) -> list[Outcome]:
    with contextlib.closing(sqlite3.connect(path / "logs.sqlite")) as log:
        rows = log.execute("select value from records where log = 'outcomes' order by offset").fetchall()
    return [Outcome.model_validate_json(value) for (value,) in rows]


async def test_queue_emptied_under_load_loses_no_task(
    broker, bucket, queue, controller, workers, redis_server, make_task, tmp_path
) -> None:
    """I1, I3, I16: three times, while tasks wait and run."""
    tasks = [make_task(tenant=f"t{number % 3}") for number in range(120)]
    for task in tasks:
        await broker.publish_task(task)
    for count in (20, 50, 80):
        await until_settled(bucket, count)
        assert (await queue.overview()).queued, "all tasks ended before the flush"
        redis_server.flush()
        async with asyncio.timeout(60):
            while not await queue.complete():
                await asyncio.sleep(0.02)
    await until_settled(bucket, len(tasks))
    first = {outcome.task.id: outcome for outcome in reversed(outcomes(tmp_path))}
    assert {task.id: (await bucket.manifest(task.id)).outcome for task in tasks} == first
    assert set(workers.runs) == {task.id for task in tasks}
    assert workers.runs.total() <= len(tasks) + 3 * WORKERS, "only what ran at those moments ran again"
    async with asyncio.timeout(60):
        while (await queue.overview()).queued or (await queue.overview()).running:
            await asyncio.sleep(0.05)
    assert await queue.complete()


async def test_complete_queue_is_not_replayed(broker, queue, controller, caplog, make_task) -> None:
    await broker.publish_task(make_task())
    await asyncio.sleep(2.5)
    assert await queue.complete()
    assert not [record for record in caplog.records if record.name == "server.controller.log_replay"]


async def test_replay_restores_results_and_callbacks(
    broker, bucket, queue, controller, workers, redis_server, make_task
) -> None:
    tasks = [make_task() for _ in range(3)]
    for task in tasks:
        await broker.publish_task(task)
    await until_settled(bucket, 3)
    redis_server.flush()
    async with asyncio.timeout(60):
        while (await queue.recent("t", Status.SUCCEEDED, 1, 9))[1] < 3:
            await asyncio.sleep(0.05)
