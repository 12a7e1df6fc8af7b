"""Poison, in every queue. I11: a task that kills devices is run a few times, and none fails for where it was run."""

import pytest

from server.queue import LEASE_S, Progress, Verdict
from server.queue.poison import DEATHS_AT_MOST, DEATHS_UNTIL_POISON, PLACES_UNTIL_POISON, machine_of, place_of
from server.task import Status
from tests.server.queue.conftest import accept, lease

DEVICES = ["m1:cuda:0:17", "m1:cuda:0:18", "m1:cuda:1:19"]
"""Names of workers; the second is the first one, started again."""


def test_a_worker_that_is_started_again_is_in_the_same_place() -> None:
    assert [place_of(name) for name in DEVICES] == ["m1:cuda:0", "m1:cuda:0", "m1:cuda:1"]
    assert {machine_of(name) for name in DEVICES} == {"m1"}


async def test_a_task_that_devices_do_not_survive_in_two_places_is_run_three_times(queue, make_task) -> None:
    await accept(queue, make_task())
    for deaths, worker in enumerate(DEVICES):
        given = await lease(queue, worker)
        assert given.deaths == deaths
        assert await queue.died(given) is (deaths + 1 < DEATHS_UNTIL_POISON)
    assert await queue.lease("w", (), 0) is None


async def test_one_device_alone_condemns_nothing_until_it_has_died_many_times(queue, make_task) -> None:
    """It may be the device that is ill; but where there is no other, the task is not tried for ever."""
    await accept(queue, make_task())
    alone = [await queue.died(await lease(queue, f"m1:cuda:0:{pid}")) for pid in range(DEATHS_AT_MOST)]
    assert alone == [True] * (DEATHS_AT_MOST - 1) + [False]


async def test_a_machine_that_restarts_condemns_nothing_though_all_its_workers_go_with_it(
    queue, make_task, clock
) -> None:
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


async def test_a_task_that_silences_its_workers_is_the_callers_to_fail_until_it_has(
    queue, make_task, make_manifest, clock
) -> None:
    task = make_task()
    await accept(queue, task)
    for deaths in range(1, DEATHS_UNTIL_POISON + 1):
        given = await lease(queue, f"m{deaths}:cpu:1")
        clock.pass_by(LEASE_S)
        [lost] = await queue.expired()
        assert (lost.deaths, lost.poison) == (deaths, deaths == DEATHS_UNTIL_POISON)
    assert await queue.heartbeat(given, None) is Verdict.LOST
    assert await queue.lease("w", (), 0) is None
    assert await queue.expired() == []
    clock.pass_by(LEASE_S)
    [again] = await queue.expired()
    assert (again.task, again.poison) == (task, True)
    await queue.settle(make_manifest(task, Status.FAILED))
    clock.pass_by(LEASE_S)
    assert await queue.expired() == []


async def test_a_worker_that_is_lost_when_the_device_is_done_is_no_death_of_the_task(queue, make_task, clock) -> None:
    """It may have waited long for the bucket or the log, and much may happen to a worker meanwhile."""
    await accept(queue, make_task())
    for number in range(PLACES_UNTIL_POISON):
        given = await lease(queue, f"m{number}:cpu:1")
        await queue.heartbeat(given, Progress(9, 9), on_device=False)
        clock.pass_by(LEASE_S)
        assert [lost.deaths for lost in await queue.expired()] == [0]
    await lease(queue)
    clock.pass_by(LEASE_S)
    assert [lost.deaths for lost in await queue.expired()] == [1]


async def test_a_worker_lost_while_it_reports_the_last_death_leaves_no_task_behind(queue, make_task, clock) -> None:
    await accept(queue, make_task())
    for worker in DEVICES:
        await queue.died(await lease(queue, worker))
    clock.pass_by(LEASE_S)
    [lost] = await queue.expired()
    assert lost.poison


@pytest.mark.parametrize("name", ["w", "machine:cuda:0"])
def test_any_name_is_in_some_place(name) -> None:
    assert place_of(name)
    assert machine_of(name)
