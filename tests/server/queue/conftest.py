"""Fixtures for tests of both queues. The invariants I1–I18 are listed in tests/server/controller/test_controller.py."""

import itertools
from contextlib import closing

import pytest
import redis

from server.queue.memory.queue import MemoryQueue
from server.queue.redis.queue import RedisQueue
from server.queue.redis.scripts import ROOT
from server.task import Manifest, Outcome, Status, Task
from tests.support.clock import Clock


class RedisClock:
    """Redis has its own clock: `pass_by` moves every stored deadline `seconds` nearer instead."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, decode_responses=True)

    def pass_by(self, seconds: float) -> None:
        for name in ("leases", "heard", "reserved", "rates"):
            for member in self._redis.zrange(f"{ROOT}:{name}", 0, -1):
                self._redis.zincrby(f"{ROOT}:{name}", -seconds, member)
        for task_id in self._redis.smembers(f"{ROOT}:unfinished"):
            if self._redis.hexists(f"{ROOT}:task:{task_id}", "since"):
                self._redis.hincrbyfloat(f"{ROOT}:task:{task_id}", "since", -seconds)

    def close(self) -> None:
        self._redis.close()


@pytest.fixture(params=["memory", "redis"])
def kind(request) -> str:
    """The implementation under test."""
    return request.param


@pytest.fixture
def clock(kind, request):
    if kind == "memory":
        yield Clock(1000.0)
        return
    with closing(RedisClock(request.getfixturevalue("redis_url"))) as clock:
        yield clock


@pytest.fixture
async def closed_queue(kind, clock, request):
    """A queue before the log replay."""
    queue = MemoryQueue(clock) if kind == "memory" else RedisQueue(request.getfixturevalue("redis_url"))
    yield queue
    await queue.close()


@pytest.fixture
async def queue(closed_queue):
    await closed_queue.begin()
    await closed_queue.open()
    return closed_queue


async def accept(queue, *tasks, limit=1000) -> None:
    """Admits and ingests, as the API and the intake do together."""
    for task in tasks:
        assert await queue.admit(task, limit) is None
        await queue.ingest(task)


async def lease(queue, worker="w", resident=()):
    """Leases a task; one must be available."""
    found = await queue.lease(worker, resident, 10.0)
    assert found is not None
    return found


async def drained(queue, worker="w", resident=()) -> list:
    """The ids of all queued tasks, in the order in which one worker leases them."""
    found = []
    while leased := await queue.lease(worker, resident, 0):
        found.append(leased.task.id)
    return found


@pytest.fixture
def empty(kind, request):
    """`await empty(queue)` returns the queue after it has lost all data."""

    async def lose_everything(queue):
        if kind == "memory":
            return MemoryQueue()
        request.getfixturevalue("redis_server").flush()
        return queue

    return lose_everything


@pytest.fixture
def make_task():
    """Makes tasks with different ids and creation times."""
    numbers = itertools.count()

    def make(tenant="t", **fields) -> Task:
        number = next(numbers)
        plain = {"id": f"{number:032x}", "type": "txt2img.sd", "params": {}, "created_at": float(number)}
        return Task(**plain | {"tenant": tenant} | fields)

    return make


@pytest.fixture
def make_manifest():
    def make(task: Task, status: Status = Status.SUCCEEDED, **fields) -> Manifest:
        outcome = Outcome(task=task, attempt="a", status=status, finished_at=2000.0, **fields)
        return Manifest(outcome=outcome, expires_at=3000.0)

    return make
