import pytest

from server.controller.lease_reaper import Reaper
from server.queue import LEASE_S
from server.queue.memory.queue import MemoryQueue
from server.queue.poison import DEATHS_UNTIL_POISON
from server.task import Status


@pytest.fixture
async def queue(clock) -> MemoryQueue:
    queue = MemoryQueue(clock)
    await queue.open()
    return queue


async def outcomes(broker) -> list:
    found = []
    async for _, outcome in broker.outcomes():
        if outcome is None:
            return found
        found.append(outcome)
    return found


async def test_task_that_no_worker_survives_fails_as_poison(broker, queue, clock, make_task) -> None:
    """I11"""
    poison, innocent = make_task(), make_task()
    await queue.ingest(poison)
    reaper = Reaper(broker, queue)
    for number in range(DEATHS_UNTIL_POISON):
        assert await outcomes(broker) == []
        assert (await queue.lease(f"m{number}:cpu:1", (), 0)).task == poison
        clock.pass_by(LEASE_S)
        await reaper.reap()
    [outcome] = await outcomes(broker)
    assert (outcome.task, outcome.status, outcome.failure.code) == (poison, Status.FAILED, "poison")
    await queue.ingest(innocent)
    assert (await queue.lease("w", (), 0)).task == innocent
    await reaper.reap()
    assert len(await outcomes(broker)) == 1


async def test_poison_is_published_until_it_is_in_the_log(broker, queue, clock, make_task, fated, new_fate) -> None:
    await queue.ingest(make_task())
    unlucky = fated(broker, new_fate(ConnectionError(), 1))
    for number in range(DEATHS_UNTIL_POISON - 1):
        await queue.lease(f"m{number}:cpu:1", (), 0)
        clock.pass_by(LEASE_S)
        await Reaper(broker, queue).reap()
    await queue.lease("w", (), 0)
    clock.pass_by(LEASE_S)
    with pytest.raises(ConnectionError):
        await Reaper(unlucky, queue).reap()
    clock.pass_by(LEASE_S)
    await Reaper(broker, queue).reap()
    assert len(await outcomes(broker)) == 1
