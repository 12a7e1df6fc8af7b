"""Controllers that share a Redis: one leads at a time, and a lost leader is soon replaced."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import closing

import pytest
import redis

from server.controller.leader_election import LeaderElection
from server.controller.settlement import Settlement
from server.queue import LEAD_S
from server.queue.memory.queue import MemoryQueue
from server.queue.redis.queue import RedisQueue
from server.queue.redis.scripts import ROOT
from server.task import Status

RENEW_S = 0.05


@pytest.fixture
async def queue(own_redis) -> AsyncIterator[RedisQueue]:
    queue = RedisQueue(own_redis.url)
    yield queue
    await queue.close()


class Controllers:
    """Several controllers: the names of those at work, and the number of starts."""

    def __init__(self, queue) -> None:
        self._queue = queue
        self.working: set[str] = set()
        self.begun = 0

    def start(self, name: str) -> asyncio.Task[None]:
        async def work() -> None:
            self.working.add(name)
            self.begun += 1
            try:
                await asyncio.Event().wait()
            finally:
                self.working.discard(name)

        return asyncio.create_task(LeaderElection(self._queue, RENEW_S).run(work))

    async def until(self, *working: str) -> None:
        while self.working != set(working):
            await asyncio.sleep(0.01)

    async def stop(self, *running: asyncio.Task[None]) -> None:
        for each in running:
            each.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await each


async def test_standby_takes_over_when_the_leader_leaves(queue) -> None:
    controllers = Controllers(queue)
    first = controllers.start("a")
    await controllers.until("a")
    second = controllers.start("b")
    await asyncio.sleep(4 * RENEW_S)
    assert controllers.working == {"a"}
    await controllers.stop(first)
    await controllers.until("b")
    await controllers.stop(second)
    assert controllers.working == set()


async def test_standby_takes_over_when_a_dead_leader_expires(queue, own_redis) -> None:
    assert await queue.lead("dead")
    with closing(redis.Redis.from_url(own_redis.url)) as client:
        assert 0 < client.pttl(f"{ROOT}:leader") <= LEAD_S * 1000
        controllers = Controllers(queue)
        running = controllers.start("a")
        await asyncio.sleep(4 * RENEW_S)
        assert controllers.working == set()
        client.pexpire(f"{ROOT}:leader", 1)
    await controllers.until("a")
    await controllers.stop(running)


async def test_deposed_leader_stops_and_may_lead_again(queue, own_redis) -> None:
    controllers = Controllers(queue)
    running = controllers.start("a")
    await controllers.until("a")
    own_redis.flush()
    assert await queue.lead("b")
    await controllers.until()
    await queue.resign("b")
    await controllers.until("a")
    assert controllers.begun == 2
    await controllers.stop(running)


async def test_redis_outage_changes_no_leader(queue, own_redis) -> None:
    controllers = Controllers(queue)
    running = controllers.start("a")
    await controllers.until("a")
    own_redis.stop()
    await asyncio.sleep(4 * RENEW_S)
    assert controllers.working == {"a"}
    own_redis.start()
    while not await queue.overview():
        await asyncio.sleep(RENEW_S)
    assert (controllers.working, controllers.begun) == ({"a"}, 1)
    await controllers.stop(running)


async def test_only_the_leader_can_resign(queue) -> None:
    assert await queue.lead("a")
    await queue.resign("b")
    assert not await queue.lead("b")
    assert await queue.lead("a")


async def test_two_readers_settle_every_task_by_its_first_outcome(broker, bucket, make_task, make_outcome) -> None:
    """The election only saves work; without it, every task still ends once."""
    firsts = [make_outcome(make_task()) for _ in range(40)]
    for first in firsts:
        await broker.publish_outcome(first)
        await broker.publish_outcome(make_outcome(first.task, status=Status.FAILED))

    async def nothing(task_id: str) -> None:
        pass

    both = [Settlement(broker, MemoryQueue(), bucket, nothing) for _ in range(2)]
    running = [asyncio.create_task(each.run()) for each in both]
    for each in both:
        await each.caught_up.wait()
    for each in running:
        each.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for first in firsts:
        manifest = await bucket.manifest(first.task.id)
        assert manifest is not None
        assert manifest.outcome == first


async def test_error_of_the_work_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await LeaderElection(MemoryQueue()).run(fail)
