"""Locks, and the ids that the queue does not know."""

import redis

from server.queue import LOCK_S
from server.queue.memory.queue import MemoryQueue
from server.queue.redis.queue import RedisQueue
from server.queue.redis.scripts import ROOT
from server.task import Task
from tests.support.clock import Clock


async def test_lock_has_one_holder(queue) -> None:
    assert await queue.lock("a", "one")
    assert not await queue.lock("a", "two")
    assert await queue.lock("b", "two")
    await queue.unlock("a", "two")
    assert not await queue.lock("a", "two")
    await queue.unlock("a", "one")
    assert await queue.lock("a", "two")


async def test_lock_of_a_killed_holder_ends() -> None:
    clock = Clock(1000.0)
    queue = MemoryQueue(clock)
    await queue.lock("a", "killed")
    clock.pass_by(LOCK_S)
    assert await queue.lock("a", "next")


async def test_lock_of_a_killed_holder_ends_in_redis(redis_server) -> None:

    queue = RedisQueue(redis_server.url)
    await queue.lock("a", "killed")
    with redis.Redis.from_url(redis_server.url) as client:
        assert 0 < client.pttl(f"{ROOT}:lock:a") <= LOCK_S * 1000
    await queue.close()


async def test_forgotten_tasks(queue) -> None:
    known = Task(id="a" * 32, type="t", params={}, tenant="t", created_at=1.0)
    await queue.admit(known, 5)
    assert await queue.forgotten(["b" * 32, known.id, "c" * 32]) == ["b" * 32, "c" * 32]
    assert await queue.forgotten([]) == []
