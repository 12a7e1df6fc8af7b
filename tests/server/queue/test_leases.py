"""Leases: their start, expiry and end, in both queues."""

import asyncio
import random

from server.queue import HEARTBEAT_S, LEASE_S, Lease, Progress, Verdict
from server.task import Status
from tests.server.queue.conftest import accept, drained, lease


async def test_lease_waits_for_a_task_until_its_timeout(queue, make_task) -> None:
    assert await queue.lease("w", (), 0.01) is None
    waiting = [asyncio.create_task(queue.lease(f"w{number}", (), 5.0)) for number in range(2)]
    await asyncio.sleep(0)
    tasks = [make_task(), make_task()]
    await accept(queue, *tasks)
    assert {(await each).task.id for each in waiting} == {task.id for task in tasks}


async def test_canceled_lease_takes_no_task(queue, make_task) -> None:
    waiting = asyncio.create_task(queue.lease("w", (), 5.0))
    await asyncio.sleep(0)
    task = make_task()
    await accept(queue, task)
    waiting.cancel()
    for leased in await asyncio.gather(waiting, return_exceptions=True):
        if isinstance(leased, Lease):  # it was served before it could go
            await queue.give_back(leased)
    assert (await lease(queue, "other")).task == task


async def test_task_has_one_lease_at_a_time(queue, make_task, clock) -> None:
    """I5"""
    rng = random.Random(0)
    await accept(queue, *(make_task(f"t{number % 3}") for number in range(20)))
    held = {}
    for _ in range(400):
        clock.pass_by(rng.uniform(0, 4))
        for lost in await queue.expired():
            held.pop(lost.task.id, None)
        if leased := await queue.lease(f"w{rng.randrange(4)}", (), 0):
            assert leased.task.id not in held
            held[leased.task.id] = leased
        for one in list(held.values()):
            move = rng.random()
            if move < 0.6:
                await queue.heartbeat(one, None)
            elif move < 0.7:
                await queue.give_back(held.pop(one.task.id))
    tokens = [one.token for one in held.values()]
    assert len(tokens) == len(set(tokens))


async def test_lease_expires_only_without_heartbeats(queue, make_task, clock) -> None:
    task = make_task()
    await accept(queue, task)
    first = await lease(queue, "first")
    for _ in range(20):
        clock.pass_by(HEARTBEAT_S)
        assert await queue.heartbeat(first, None) is Verdict.OK
        assert await queue.expired() == []
    clock.pass_by(LEASE_S - HEARTBEAT_S)
    assert await queue.expired() == []
    clock.pass_by(HEARTBEAT_S)
    [lost] = await queue.expired()
    assert (lost.task, lost.token, lost.deaths) == (task, first.token, 1)
    assert await queue.expired() == []
    assert (await queue.find(task.id)).status is Status.QUEUED
    again = await lease(queue, "second")
    assert (again.task, again.deaths) == (task, 1)
    assert again.token != first.token


async def test_lost_lease_has_no_effect(queue, make_task, clock) -> None:
    """I4"""
    task = make_task()
    await accept(queue, task)
    zombie = await lease(queue, "zombie")
    clock.pass_by(LEASE_S)
    await queue.expired()
    holder = await lease(queue, "holder")
    assert await queue.heartbeat(zombie, Progress(9, 9)) is Verdict.LOST
    await queue.give_back(zombie)
    await queue.finishing(zombie)
    assert await queue.died(zombie) is True
    view = await queue.find(task.id)
    assert (view.status, view.worker, view.progress) == (Status.RUNNING, "holder", None)
    assert await queue.heartbeat(holder, None) is Verdict.OK
    clock.pass_by(LEASE_S)
    [lost] = await queue.expired()
    assert (lost.token, lost.deaths) == (holder.token, 2), "the zombie's words counted for nothing"


async def test_returned_task_is_next_without_a_death(queue, make_task) -> None:
    """I12"""
    tasks = [make_task() for _ in range(4)]
    await accept(queue, *tasks)
    held = [await lease(queue) for _ in range(3)]
    for one in (held[0], held[2], held[1]):
        await queue.give_back(one)
        assert await queue.heartbeat(one, None) is Verdict.LOST
    again = [await lease(queue) for _ in range(4)]
    assert [one.task for one in again] == tasks
    assert {one.deaths for one in again} == {0}


async def test_lease_expiry_requeues_before_later_tasks(queue, make_task, clock) -> None:
    tasks = [make_task() for _ in range(5)]
    await accept(queue, *tasks)
    for _ in range(3):
        await lease(queue)
    clock.pass_by(LEASE_S)
    await queue.expired()
    assert await drained(queue) == [task.id for task in tasks]


async def test_stop_ends_the_lease_and_gives_no_other(queue, make_task, clock) -> None:
    running, waiting = make_task(), make_task()
    await accept(queue, running, waiting)
    leased = await lease(queue)
    for task in (running, waiting, make_task()):
        await queue.stop(task.id)
    assert await queue.heartbeat(leased, Progress(3, 9)) is Verdict.LOST
    await queue.give_back(leased)
    view = await queue.find(running.id)
    assert (view.status, view.started_at, view.progress) == (Status.RUNNING, view.started_at, None)
    assert (await queue.find(waiting.id)).status is Status.QUEUED
    assert (await lease(queue)).task == waiting
    clock.pass_by(100 * LEASE_S)
    assert [lost.task for lost in await queue.expired()] == [waiting]


async def test_finishing_lease_does_not_expire(queue, make_task, clock) -> None:
    await accept(queue, make_task())
    leased = await lease(queue)
    await queue.finishing(leased)
    assert await queue.heartbeat(leased, None) is Verdict.OK
    clock.pass_by(100 * LEASE_S)
    assert await queue.expired() == []


async def test_snapshot_key_stays_until_a_device_dies(queue, make_task) -> None:
    await accept(queue, make_task())
    first = await lease(queue)
    assert first.parked == ""
    await queue.give_back(first, "key")
    second = await lease(queue)
    assert second.parked == "key"
    await queue.give_back(second)
    third = await lease(queue)
    assert third.parked == "key"
    await queue.died(third)
    assert (await lease(queue)).parked == ""
