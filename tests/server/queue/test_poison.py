"""Poison, in both queues. I11: a task that kills devices runs a few times; a bad device fails no task."""

import pytest

from server.queue import LEASE_S, Progress, Verdict
from server.queue.poison import DEATHS_AT_MOST, DEATHS_UNTIL_POISON, PLACES_UNTIL_POISON, machine_of, place_of
from server.task import Status
from tests.server.queue.conftest import accept, lease

DEVICES = ["m1:cuda:0:17", "m1:cuda:0:18", "m1:cuda:1:19"]
"""Names of workers; the second is the first one, started again."""


def test_restarted_worker_is_the_same_place() -> None:
    assert [place_of(name) for name in DEVICES] == ["m1:cuda:0", "m1:cuda:0", "m1:cuda:1"]
    assert {machine_of(name) for name in DEVICES} == {"m1"}


async def test_deaths_in_two_places_are_poison_after_three(queue, make_task) -> None:
    await accept(queue, make_task())
    for deaths, worker in enumerate(DEVICES):
        leased = await lease(queue, worker)
        assert leased.deaths == deaths
        assert await queue.died(leased) is (deaths + 1 < DEATHS_UNTIL_POISON)
    assert await queue.lease("w", (), 0) is None


async def test_deaths_of_one_device_are_poison_after_six(queue, make_task) -> None:
    """The device may be at fault; but without another device the task is not retried for ever."""
    await accept(queue, make_task())
    alone = [await queue.died(await lease(queue, f"m1:cuda:0:{pid}")) for pid in range(DEATHS_AT_MOST)]
    assert alone == [True] * (DEATHS_AT_MOST - 1) + [False]


async def test_machine_restart_is_one_place(queue, make_task, clock) -> None:
    task = make_task()
    await accept(queue, task)
    for number in range(DEATHS_UNTIL_POISON):
        await lease(queue, f"m1:cuda:{number}:17")
        clock.pass_by(LEASE_S)
        [lost] = await queue.expired()
        assert (lost.deaths, lost.poison) == (number + 1, False)
    await lease(queue, "m2:cuda:0:17")
    clock.pass_by(LEASE_S)
    assert [lost.poison for lost in await queue.expired()] == [True], "a second machine was lost over it"


async def test_poison_lease_is_returned_until_failed(queue, make_task, make_manifest, clock) -> None:
    task = make_task()
    await accept(queue, task)
    for deaths in range(1, DEATHS_UNTIL_POISON + 1):
        leased = await lease(queue, f"m{deaths}:cpu:1")
        clock.pass_by(LEASE_S)
        [lost] = await queue.expired()
        assert (lost.deaths, lost.poison) == (deaths, deaths == DEATHS_UNTIL_POISON)
    assert await queue.heartbeat(leased, None) is Verdict.LOST
    assert await queue.lease("w", (), 0) is None
    assert await queue.expired() == []
    clock.pass_by(LEASE_S)
    [again] = await queue.expired()
    assert (again.task, again.poison) == (task, True)
    await queue.settle(make_manifest(task, Status.FAILED))
    clock.pass_by(LEASE_S)
    assert await queue.expired() == []


async def test_worker_loss_after_the_device_is_no_death(queue, make_task, clock) -> None:
    """The report may wait long for the bucket or the log, and the worker may die meanwhile."""
    await accept(queue, make_task())
    for number in range(PLACES_UNTIL_POISON):
        leased = await lease(queue, f"m{number}:cpu:1")
        await queue.heartbeat(leased, Progress(9, 9), on_device=False)
        clock.pass_by(LEASE_S)
        assert [lost.deaths for lost in await queue.expired()] == [0]
    await lease(queue)
    clock.pass_by(LEASE_S)
    assert [lost.deaths for lost in await queue.expired()] == [1]


async def test_worker_loss_during_the_last_report_keeps_the_task(queue, make_task, clock) -> None:
    await accept(queue, make_task())
    for worker in DEVICES:
        await queue.died(await lease(queue, worker))
    clock.pass_by(LEASE_S)
    [lost] = await queue.expired()
    assert lost.poison


@pytest.mark.parametrize("name", ["w", "machine:cuda:0"])
def test_every_worker_name_has_a_place(name) -> None:
    assert place_of(name)
    assert machine_of(name)
