"""A cancellation takes effect in every phase of a Redis call."""

import asyncio
import random

import pytest

from server.queue import QueueUnavailableError, WorkerView
from server.queue.redis.cancellation import raising_lost_cancel
from server.queue.redis.queue import RedisQueue


@pytest.mark.parametrize("connected", [True, False])
async def test_loop_over_redis_ends_when_canceled(redis_url: str, connected: bool) -> None:
    """Each run is short, so that its end falls into sending, receiving or connecting."""
    rng = random.Random(0)
    queue = RedisQueue(redis_url)
    for _ in range(50):
        if not connected:
            await queue.close()
            queue = RedisQueue(redis_url)
        asking = asyncio.create_task(announce_for_ever(queue))
        await asyncio.sleep(rng.uniform(0, 0.01))
        asking.cancel()
        done, _ = await asyncio.wait([asking], timeout=5)
        assert done
        assert asking.cancelled()
    await queue.close()


async def announce_for_ever(queue: RedisQueue) -> None:
    while True:
        try:
            await queue.announce(WorkerView(name="w", device="cpu"))
        except QueueUnavailableError:
            await asyncio.sleep(0.001)


async def test_error_of_a_canceled_task_becomes_the_cancellation() -> None:
    async def fails() -> None:
        with raising_lost_cancel():
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                raise OSError("the connection failed") from None

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_error_without_cancellation_is_unchanged() -> None:
    with pytest.raises(OSError, match="away"), raising_lost_cancel():
        raise OSError("away")
