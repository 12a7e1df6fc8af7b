"""What every queue must do. Invariants have their numbers from tests/server/controller/test_controller.py."""

import asyncio
import contextlib
import random
from collections import Counter
from contextlib import aclosing

import pytest

from server.queue import (
    COURTESY_S,
    HEARTBEAT_S,
    LEASE_S,
    DueCallback,
    Lease,
    Progress,
    QueueIncompleteError,
    QueueUnavailableError,
    RateLimitError,
    TaskLimitError,
    Verdict,
    WorkerView,
)
from server.task import Status
from tests.server.queue.conftest import accept, lease


async def drained(queue, worker="w", resident=()) -> list:
    """The ids of all that waits, in the order in which one worker gets them."""
    found = []
    while given := await queue.lease(worker, resident, 0):
        found.append(given.task.id)
    return found


# --- admission


async def test_no_more_tasks_are_admitted_than_the_limit_even_at_once(queue, make_task) -> None:
    """I8"""
    tasks = [make_task("a") for _ in range(500)]

    async def admit(task):
        while True:  # a machine under load may take longer to answer so many than a queue is waited for
            with contextlib.suppress(QueueUnavailableError):
                return await queue.admit(task, 4)

    told = await asyncio.gather(*map(admit, tasks), return_exceptions=True)
    refused = [each for each in told if isinstance(each, TaskLimitError)]
    assert len(refused) == 496
    assert {(error.code, error.limit) for error in refused} == {(7001, 4)}
    assert (await queue.recent("a", None, 1, 100))[1] == 4
    assert await queue.admit(make_task("b"), 4) is None, "each tenant has a limit of its own"


async def test_a_slot_is_free_again_when_a_task_ends_however_it_does(queue, make_task, make_manifest) -> None:
    """I8"""
    for status in (Status.SUCCEEDED, Status.FAILED, Status.CANCELED):
        task = make_task()
        await accept(queue, task, limit=1)
        with pytest.raises(TaskLimitError):
            await queue.admit(make_task(), 1)
        for _ in range(3):
            await queue.settle(make_manifest(task, status))
    assert await queue.admit(make_task(), 1) is None
    with pytest.raises(TaskLimitError):
        await queue.admit(make_task(), 1)


async def test_a_retracted_task_leaves_no_slot_and_no_trace(queue, make_task) -> None:
    """I8"""
    task = make_task()
    await queue.admit(task, 1)
    await queue.retract(task)
    await queue.retract(task)
    assert await queue.find(task.id) is None
    assert await queue.admit(make_task(), 1) is None


async def test_a_task_that_the_log_has_after_all_is_not_retracted(queue, make_task) -> None:
    task = make_task()
    await accept(queue, task)
    await queue.retract(task)
    assert (await lease(queue)).task == task


async def test_a_task_is_admitted_once_and_its_repetition_is_shown_the_first(queue, make_task, make_manifest) -> None:
    task = make_task()
    told = await asyncio.gather(*(queue.admit(task, 10) for _ in range(100)))
    assert sum(view is None for view in told) == 1
    assert (await queue.recent("t", None, 1, 9))[1] == 1
    await queue.settle(make_manifest(task))
    assert (await queue.admit(task, 10)).status is Status.SUCCEEDED


async def test_an_admitted_task_is_queued_but_not_handed_out_before_it_is_in_the_log(queue, make_task) -> None:
    task = make_task()
    await queue.admit(task, 1)
    assert (await queue.find(task.id)).status is Status.QUEUED
    assert (await queue.find(task.id)).position == 1
    assert not (await queue.admit(task, 1)).accepted
    assert (await queue.overview()).queued == 1
    assert await queue.lease("w", (), 0) is None
    await queue.ingest(task)
    assert (await queue.admit(task, 1)).accepted
    assert (await lease(queue)).task == task


async def test_more_than_the_limit_may_come_from_the_log(queue, make_task) -> None:
    """The log is the truth; a queue that was wiped must take all of it."""
    tasks = [make_task() for _ in range(9)]
    for task in tasks:
        await queue.ingest(task)
    with pytest.raises(TaskLimitError):
        await queue.admit(make_task(), 4)
    assert await drained(queue) == [task.id for task in tasks]


# --- rates


async def test_a_tenant_hands_in_no_faster_than_it_may_even_at_once(queue, clock) -> None:
    told = await asyncio.gather(*(queue.spend("a", 60, 5) for _ in range(50)), return_exceptions=True)
    refused = [each for each in told if isinstance(each, RateLimitError)]
    assert len(refused) == 45
    assert all(0 < error.retry_after_s <= 1 for error in refused)
    await queue.spend("b", 60, 5)
    clock.pass_by(refused[-1].retry_after_s)
    await queue.spend("a", 60, 5)
    with pytest.raises(RateLimitError, match="60 tasks a minute"):
        await queue.spend("a", 60, 5)


async def test_a_bucket_holds_no_more_than_its_burst_however_long_it_fills(queue, clock) -> None:
    for _ in range(2):
        for _ in range(3):
            await queue.spend("a", 6, 3)
        with pytest.raises(RateLimitError) as caught:
            await queue.spend("a", 6, 3)
        assert 9 < caught.value.retry_after_s <= 10
        clock.pass_by(3600)


async def test_a_bucket_that_is_made_larger_counts_at_once(queue) -> None:
    await queue.spend("a", 1, 1)
    with pytest.raises(RateLimitError):
        await queue.spend("a", 1, 1)
    await queue.spend("a", 1, 2)


# --- leases


async def test_nobody_is_admitted_before_the_logs_are_read(closed_queue, make_task) -> None:
    """I8: the tasks that a tenant has are in there."""
    mine, others = make_task("a"), make_task("a")
    with pytest.raises(QueueIncompleteError, match="still being read"):
        await closed_queue.admit(mine, 1)
    await closed_queue.begin()
    await closed_queue.ingest(others)
    with pytest.raises(QueueIncompleteError):
        await closed_queue.admit(mine, 1)
    known = await closed_queue.admit(others, 1)
    assert known is not None
    assert known.task == others
    await closed_queue.open()
    with pytest.raises(TaskLimitError):
        await closed_queue.admit(mine, 1)
    assert await closed_queue.find(mine.id) is None


async def test_nothing_is_leased_before_the_logs_are_read(closed_queue, make_task) -> None:
    waiting = asyncio.create_task(closed_queue.lease("w", (), 5.0))
    task = make_task()
    await closed_queue.begin()
    await closed_queue.ingest(task)
    await asyncio.sleep(0.01)
    assert not waiting.done()
    assert not await closed_queue.complete()
    await closed_queue.open()
    assert await closed_queue.complete()
    assert (await waiting).task == task


async def test_a_waiting_worker_gets_the_next_task_and_an_impatient_one_none(queue, make_task) -> None:
    assert await queue.lease("w", (), 0.01) is None
    waiting = [asyncio.create_task(queue.lease(f"w{number}", (), 5.0)) for number in range(2)]
    await asyncio.sleep(0)
    tasks = [make_task(), make_task()]
    await accept(queue, *tasks)
    assert {(await each).task.id for each in waiting} == {task.id for task in tasks}


async def test_a_worker_that_goes_away_while_it_waits_takes_nothing_with_it(queue, make_task) -> None:
    waiting = asyncio.create_task(queue.lease("w", (), 5.0))
    await asyncio.sleep(0)
    task = make_task()
    await accept(queue, task)
    waiting.cancel()
    for given in await asyncio.gather(waiting, return_exceptions=True):
        if isinstance(given, Lease):  # it was served before it could go
            await queue.give_back(given)
    assert (await lease(queue, "other")).task == task


async def test_a_task_is_leased_to_one_worker_at_a_time(queue, make_task, clock) -> None:
    """I5"""
    rng = random.Random(0)
    await accept(queue, *(make_task(f"t{number % 3}") for number in range(20)))
    held = {}
    for _ in range(400):
        clock.pass_by(rng.uniform(0, 4))
        for lost in await queue.expired():
            held.pop(lost.task.id, None)
        if given := await queue.lease(f"w{rng.randrange(4)}", (), 0):
            assert given.task.id not in held
            held[given.task.id] = given
        for one in list(held.values()):
            move = rng.random()
            if move < 0.6:
                await queue.heartbeat(one, None)
            elif move < 0.7:
                await queue.give_back(held.pop(one.task.id))
    tokens = [one.token for one in held.values()]
    assert len(tokens) == len(set(tokens))


async def test_a_lease_ends_when_its_worker_is_silent_and_not_before(queue, make_task, clock) -> None:
    task = make_task()
    await accept(queue, task)
    first = await lease(queue, "first")
    for _ in range(20):
        clock.pass_by(HEARTBEAT_S)
        assert await queue.heartbeat(first, None) is Verdict.OK
        assert await queue.expired() == []
    clock.pass_by(LEASE_S - 0.1)
    assert await queue.expired() == []
    clock.pass_by(0.1)
    [lost] = await queue.expired()
    assert (lost.task, lost.token, lost.deaths) == (task, first.token, 1)
    assert await queue.expired() == []
    assert (await queue.find(task.id)).status is Status.QUEUED
    again = await lease(queue, "second")
    assert (again.task, again.deaths) == (task, 1)
    assert again.token != first.token


async def test_who_lost_a_lease_can_do_nothing_with_it(queue, make_task, clock) -> None:
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


async def test_what_was_given_back_is_the_next_and_no_death_is_counted(queue, make_task) -> None:
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


async def test_what_silent_workers_held_comes_before_what_came_later(queue, make_task, clock) -> None:
    tasks = [make_task() for _ in range(5)]
    await accept(queue, *tasks)
    for _ in range(3):
        await lease(queue)
    clock.pass_by(LEASE_S)
    await queue.expired()
    assert await drained(queue) == [task.id for task in tasks]


async def test_who_works_on_a_task_that_is_stopped_has_lost_it_and_nobody_else_gets_it(queue, make_task, clock) -> None:
    running, waiting = make_task(), make_task()
    await accept(queue, running, waiting)
    given = await lease(queue)
    for task in (running, waiting, make_task()):
        await queue.stop(task.id)
    assert await queue.heartbeat(given, Progress(3, 9)) is Verdict.LOST
    await queue.give_back(given)
    view = await queue.find(running.id)
    assert (view.status, view.started_at, view.progress) == (Status.RUNNING, view.started_at, None)
    assert (await queue.find(waiting.id)).status is Status.QUEUED
    assert (await lease(queue)).task == waiting
    clock.pass_by(100 * LEASE_S)
    assert [lost.task for lost in await queue.expired()] == [waiting]


async def test_the_lease_of_a_task_whose_outcome_is_in_the_log_does_not_expire(queue, make_task, clock) -> None:
    await accept(queue, make_task())
    given = await lease(queue)
    await queue.finishing(given)
    assert await queue.heartbeat(given, None) is Verdict.OK
    clock.pass_by(100 * LEASE_S)
    assert await queue.expired() == []


# --- the end


async def test_settling_ends_the_lease_and_a_late_ingest_changes_nothing(queue, make_task, make_manifest) -> None:
    """I3"""
    task = make_task()
    await accept(queue, task)
    given = await lease(queue)
    await queue.settle(make_manifest(task, started_at=7.0, worker="w"))
    assert await queue.heartbeat(given, Progress(1, 2)) is Verdict.LOST
    await queue.ingest(task)
    await queue.give_back(given)
    assert await queue.lease("w", (), 0) is None
    view = await queue.find(task.id)
    assert (view.status, view.started_at, view.finished_at, view.worker) == (Status.SUCCEEDED, 7.0, 2000.0, "w")


async def test_a_canceled_task_never_runs(queue, make_task, make_manifest) -> None:
    """I13"""
    tasks = [make_task(f"t{number % 7}", priority=("high", "normal", "low")[number % 3]) for number in range(200)]
    await accept(queue, *tasks)
    canceled = random.Random(1).sample(tasks, 120)
    for task in canceled:
        await queue.settle(make_manifest(task, Status.CANCELED))
    run = await drained(queue)
    assert sorted(run) == sorted({task.id for task in tasks} - {task.id for task in canceled})
    assert (await queue.overview()).queued == 0


async def test_a_task_that_was_settled_before_the_queue_ever_heard_of_it_is_known(
    queue, make_task, make_manifest
) -> None:
    """I16"""
    task = make_task()
    await queue.settle(make_manifest(task))
    await queue.ingest(task)
    assert (await queue.find(task.id)).status is Status.SUCCEEDED
    assert await queue.lease("w", (), 0) is None


async def test_a_queue_that_lost_everything_is_whole_after_reading_again(
    queue, empty, make_task, make_manifest
) -> None:
    """I16"""
    tasks = [make_task(f"t{number % 2}") for number in range(8)]
    await accept(queue, *tasks)
    ended = (await lease(queue)).task
    held = await lease(queue)
    queue = await empty(queue)
    assert not await queue.complete()
    assert await queue.heartbeat(held, None) is Verdict.LOST
    await queue.begin()
    await queue.settle(make_manifest(ended))
    for task in tasks * 2:
        await queue.ingest(task)
    assert await queue.lease("w", (), 0) is None
    await queue.open()
    assert sorted(await drained(queue)) == sorted(task.id for task in tasks if task != ended)


# --- who is next


async def test_a_light_tenant_hardly_notices_a_heavy_one(queue, make_task) -> None:
    """I9"""
    heavy, light = [make_task("heavy") for _ in range(100)], make_task("light")
    await accept(queue, *heavy, light)
    assert (await drained(queue)).index(light.id) == 1


async def test_tenants_share_by_cost_whatever_their_tasks_cost(queue, make_task) -> None:
    """I9: |served_a - served_b| ≤ max cost × (workers + 1), here with one worker, at every moment."""
    rng = random.Random(2)
    costs = {"small": (0.1, 1.0), "middle": (1.0, 4.0), "large": (2.0, 8.0)}
    for tenant, (low, high) in costs.items():
        await accept(queue, *(make_task(tenant, cost=rng.uniform(low, high)) for _ in range(300)))
    served = dict.fromkeys(costs, 0.0)
    for _ in range(250):
        given = await lease(queue)
        served[given.task.tenant] += given.task.cost
        assert max(served.values()) - min(served.values()) <= 8.0 * 2


async def test_a_tenant_that_rested_saved_nothing_up(queue, make_task) -> None:
    await accept(queue, *(make_task("busy") for _ in range(200)))
    for _ in range(100):
        await lease(queue)
    await accept(queue, *(make_task("back") for _ in range(50)))
    tenants = Counter([(await lease(queue)).task.tenant for _ in range(20)])
    assert tenants == {"busy": 10, "back": 10}


async def test_a_tenant_gains_nothing_by_coming_with_one_task_at_a_time(queue, make_task) -> None:
    """I9"""
    await accept(queue, *(make_task("steady") for _ in range(60)), make_task("shy", cost=10.0))
    picks = []
    for _ in range(44):
        given = await lease(queue)
        picks.append(given.task.tenant)
        if given.task.tenant == "shy":
            await accept(queue, make_task("shy", cost=10.0))
    assert Counter(picks) == {"steady": 40, "shy": 4}


async def test_tenants_share_by_weight(queue, make_task) -> None:
    tasks = [make_task(tenant, weight=weight, cost=2.0) for tenant, weight in (("a", 1), ("b", 3)) for _ in range(80)]
    await accept(queue, *tasks)
    shares = Counter([(await lease(queue)).task.tenant for _ in range(80)])
    assert shares == {"a": 20, "b": 60}


async def test_a_weight_moves_no_class(queue, make_task) -> None:
    heavy = [make_task("a", weight=100, priority="low") for _ in range(40)]
    await accept(queue, *heavy, *(make_task("b", priority="normal") for _ in range(40)))
    shares = Counter([(await lease(queue)).task.tenant for _ in range(40)])
    assert shares == {"a": 10, "b": 30}


async def test_a_position_knows_the_weights(queue, make_task) -> None:
    tasks = [make_task(tenant, weight=weight) for _ in range(24) for tenant, weight in (("a", 1), ("b", 2), ("c", 4))]
    random.Random(7).shuffle(tasks)
    await accept(queue, *tasks)
    for _ in range(10):
        await lease(queue)
    waiting = [task.id for task in tasks if (await queue.find(task.id)).status is Status.QUEUED]
    told = {task_id: (await queue.find(task_id)).position for task_id in waiting}
    order = await drained(queue)
    wrong = [abs(told[task_id] - place) for place, task_id in enumerate(order, 1)]
    assert max(wrong) <= 1


async def test_classes_share_by_weight_and_the_lowest_still_gets_a_tenth(queue, make_task) -> None:
    """I10"""
    for priority in ("low", "normal", "high"):
        await accept(queue, *(make_task(priority=priority) for _ in range(100)))
    shares = Counter([(await lease(queue)).task.priority for _ in range(100)])
    assert shares == {"high": 60, "normal": 30, "low": 10}


async def test_a_class_alone_gets_everything(queue, make_task) -> None:
    low = [make_task(priority="low") for _ in range(20)]
    await accept(queue, *low)
    assert await drained(queue) == [task.id for task in low]


async def test_a_worker_gets_tasks_of_its_models_first_but_for_one_in_eight(queue, clock, make_task) -> None:
    """I10"""
    cold = [make_task("a", models=("cold",)) for _ in range(40)]
    warm = [make_task("a", models=("warm", "extra")) for _ in range(40)]
    await accept(queue, *cold, *warm)
    clock.pass_by(COURTESY_S)
    given = [(await lease(queue, resident=("warm",))).task.models[0] for _ in range(40)]
    assert given == (["warm"] * 7 + ["cold"]) * 5


async def test_an_idle_worker_lets_one_go_first_that_has_the_model(queue, make_task) -> None:
    task = make_task(models=("m",))
    cold = asyncio.create_task(queue.lease("cold", ("other",), 0.5))
    await asyncio.sleep(0.01)
    warm = asyncio.create_task(queue.lease("warm", ("m",), 0.5))
    await asyncio.sleep(0.01)
    await accept(queue, task)
    assert (await warm).task == task
    assert await cold is None


async def test_courtesy_ends_soon(queue, clock, make_task) -> None:
    task = make_task(models=("m",))
    await accept(queue, task)
    assert await queue.lease("cold", ("other",), 0) is None
    clock.pass_by(COURTESY_S)
    assert (await lease(queue, "cold", ("other",))).task == task


@pytest.mark.parametrize(("models", "resident"), [(("m",), ()), ((), ("other",))])
async def test_who_has_nothing_to_lose_waits_for_nobody(queue, make_task, models, resident) -> None:
    """A worker without models, and any worker where the task needs none."""
    task = make_task(models=models)
    await accept(queue, task)
    given = await queue.lease("w", resident, 0.02)
    assert given is not None
    assert given.task == task


async def test_where_a_task_stood_is_told_to_the_next_until_a_device_dies_of_it(queue, make_task) -> None:
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


async def test_nobody_starves_while_workers_have_other_models_loaded(queue, clock, make_task) -> None:
    """I10: under a stream of tasks that are preferred, one that is not is still the eighth pick at the latest."""
    lone = make_task("lone", models=("cold",))
    await accept(queue, *(make_task("crowd", models=("warm",)) for _ in range(50)), lone)
    picks = []
    for _ in range(16):
        await accept(queue, make_task("crowd", models=("warm",)))
        clock.pass_by(COURTESY_S)
        picks.append((await lease(queue, resident=("warm",))).task.id)
    assert picks.index(lone.id) <= 8


async def test_a_loaded_model_does_not_let_a_tenant_run_away(queue, clock, make_task) -> None:
    """I9: what its loaded model wins a tenant over another is bounded."""
    await accept(queue, *(make_task("warm", models=("m",)) for _ in range(300)))
    await accept(queue, *(make_task("cold", models=("other",)) for _ in range(300)))
    clock.pass_by(COURTESY_S)
    served = Counter([(await lease(queue, resident=("m",))).task.tenant for _ in range(200)])
    assert served["warm"] - served["cold"] <= 12


@pytest.mark.parametrize("seed", range(5))
async def test_positions_tell_the_order_in_which_tasks_run(queue, make_task, seed) -> None:
    rng = random.Random(seed)
    tasks = [make_task(f"t{rng.randrange(4)}", cost=2.0) for _ in range(40)]
    await accept(queue, *tasks)
    for _ in range(rng.randrange(10)):
        await lease(queue)
    waiting = [task.id for task in tasks if (await queue.find(task.id)).status is Status.QUEUED]
    told = {task_id: (await queue.find(task_id)).position for task_id in waiting}
    run = await drained(queue)
    assert {task_id: place + 1 for place, task_id in enumerate(run)} == told


async def test_positions_across_classes_and_costs_are_near(queue, make_task) -> None:
    rng = random.Random(3)
    tasks = [
        make_task(f"t{rng.randrange(6)}", cost=rng.uniform(1, 3), priority=rng.choice(["high", "normal", "low"]))
        for _ in range(150)
    ]
    await accept(queue, *tasks)
    told = {task.id: (await queue.find(task.id)).position for task in tasks}
    run = await drained(queue)
    errors = [abs(place + 1 - told[task_id]) for place, task_id in enumerate(run)]
    assert sum(errors) / len(errors) <= 8
    assert told[run[0]] <= 3


# --- what is known


async def test_a_running_task_is_seen_running(queue, make_task) -> None:
    await accept(queue, make_task())
    given = await lease(queue, "worker-7")
    await queue.heartbeat(given, Progress(3, 20, b"jpeg"))
    await queue.heartbeat(given, None)
    view = await queue.find(given.task.id)
    assert (view.status, view.position, view.worker) == (Status.RUNNING, 0, "worker-7")
    assert view.progress == Progress(3, 20, b"jpeg")
    assert view.started_at is not None


async def test_a_task_that_waits_again_shows_no_progress(queue, make_task) -> None:
    await accept(queue, make_task())
    given = await lease(queue)
    await queue.heartbeat(given, Progress(3, 20))
    await queue.give_back(given)
    view = await queue.find(given.task.id)
    assert (view.status, view.progress, view.started_at, view.worker) == (Status.QUEUED, None, None, "")


async def test_history_comes_in_pages_newest_first(queue, make_task, make_manifest) -> None:
    tasks = [make_task() for _ in range(25)]
    await accept(queue, *tasks, make_task("other"))
    for task in tasks[5:15]:
        await queue.settle(make_manifest(task, Status.FAILED))
    pages = [await queue.recent("t", None, page, 10) for page in (1, 2, 3, 4)]
    assert [view.task.id for views, _ in pages for view in views] == [task.id for task in reversed(tasks)]
    assert {count for _, count in pages} == {25}
    failed, count = await queue.recent("t", Status.FAILED, 2, 6)
    assert count == 10
    assert [view.task.id for view in failed] == [task.id for task in reversed(tasks[5:9])]
    assert await queue.recent("nobody", None, 1, 10) == ([], 0)


async def test_the_overview_counts_what_is_there(queue, make_task, make_manifest, clock) -> None:
    empty = await queue.overview()
    assert [(line.priority, line.count, line.cost) for line in empty.lines] == [
        ("high", 0, 0),
        ("normal", 0, 0),
        ("low", 0, 0),
    ]
    assert (empty.oldest_at, empty.callbacks, empty.callbacks_due) == (None, 0, 0)
    tasks = [make_task(cost=2.5) for _ in range(4)]
    await accept(queue, *tasks)
    await lease(queue)
    await queue.settle(make_manifest(tasks[3]))
    await queue.announce(WorkerView(name="b", device="cpu"))
    clock.pass_by(LEASE_S / 2)
    await queue.announce(WorkerView(name="a", device="cuda:0", resident=("m",), room=2))
    seen = await queue.overview()
    assert (seen.queued, seen.running, seen.queued_cost) == (2, 1, 5.0)
    assert [(line.priority, line.count, line.cost) for line in seen.lines][1] == ("normal", 2, 5.0)
    assert seen.oldest_at == tasks[1].created_at
    assert [worker.name for worker in seen.workers] == ["a", "b"]
    assert all(worker.seen_at > 0 for worker in seen.workers)
    clock.pass_by(LEASE_S / 2)
    assert [worker.name for worker in (await queue.overview()).workers] == ["a"]


async def test_the_overview_knows_the_oldest_of_all_lines_and_the_callbacks(queue, make_task) -> None:
    first, second, third = make_task("a", priority="low"), make_task("b", priority="high"), make_task("b")
    await accept(queue, second, third, first)
    for number, due_at in enumerate((1.0, 2.0, 4e9)):
        await queue.add_callback(DueCallback(f"{number:032x}", due_at))
    seen = await queue.overview()
    assert [line.count for line in seen.lines] == [1, 1, 1]
    assert seen.oldest_at == first.created_at
    assert (seen.callbacks, seen.callbacks_due) == (3, 2)


# --- watching


async def test_a_watcher_sees_a_task_through_to_its_end(queue, make_task, make_manifest) -> None:
    task = make_task()

    news: asyncio.Queue = asyncio.Queue()

    async def watch() -> None:
        async for view in queue.watch(task.id):
            news.put_nowait((view.status, view.progress))

    await queue.admit(task, 1)
    watching = asyncio.create_task(watch())
    async with asyncio.timeout(60):
        assert await news.get() == (Status.QUEUED, None)
        await queue.ingest(task)
        given = await lease(queue)
        assert await news.get() == (Status.RUNNING, None)
        await queue.heartbeat(given, Progress(1, 2))
        assert await news.get() == (Status.RUNNING, Progress(1, 2))
        await queue.settle(make_manifest(task))
        await watching
        assert await news.get() == (Status.SUCCEEDED, None)
    assert news.empty()


async def test_a_slow_watcher_misses_steps_but_never_the_end(queue, make_task, make_manifest) -> None:
    task = make_task()
    await accept(queue, task)
    given = await lease(queue)
    async with aclosing(queue.watch(task.id)) as views:
        assert (await anext(views)).status is Status.RUNNING
        for step in range(50):
            await queue.heartbeat(given, Progress(step, 50))
        await queue.settle(make_manifest(task))
        assert (await anext(views)).status is Status.SUCCEEDED
        with pytest.raises(StopAsyncIteration):
            await anext(views)


async def test_watching_what_has_ended_or_never_was_ends_at_once(queue, make_task, make_manifest) -> None:
    task = make_task()
    await queue.settle(make_manifest(task))
    assert [view.status async for view in queue.watch(task.id)] == [Status.SUCCEEDED]
    assert [view async for view in queue.watch("f" * 32)] == []


async def test_watching_what_is_retracted_ends(queue, make_task) -> None:
    task = make_task()
    await queue.admit(task, 1)
    views = queue.watch(task.id)
    assert (await anext(views)).status is Status.QUEUED
    await queue.retract(task)
    with pytest.raises(StopAsyncIteration):
        await anext(views)


async def test_a_watcher_learns_that_its_task_moves_up(queue, make_task) -> None:
    tasks = [make_task() for _ in range(3)]
    await accept(queue, *tasks)
    views = queue.watch(tasks[2].id)
    assert (await anext(views)).position == 3
    await lease(queue)
    assert (await anext(views)).position == 2
    await views.aclose()


# --- callbacks


async def test_a_callback_is_handed_out_when_due_and_hidden_for_a_minute(queue) -> None:
    for place, due_at in enumerate((30.0, 10.0, 20.0, 99.0)):
        await queue.add_callback(DueCallback(f"task-{place}", due_at, tries=place))
    assert await queue.next_callbacks(5.0, 10) == []
    taken = await queue.next_callbacks(50.0, 2)
    assert taken == [DueCallback("task-1", 10.0, 1), DueCallback("task-2", 20.0, 2)]
    assert [each.task_id for each in await queue.next_callbacks(50.0, 10)] == ["task-0"]
    assert await queue.next_callbacks(60.0, 10) == []
    assert {each.task_id for each in await queue.next_callbacks(110.0, 10)} == {f"task-{place}" for place in range(4)}


async def test_a_callback_that_is_added_again_is_due_at_its_new_time_and_a_dropped_one_never(queue) -> None:
    await queue.add_callback(DueCallback("task", 1.0))
    await queue.next_callbacks(2.0, 1)
    await queue.add_callback(DueCallback("task", 5.0, tries=1))
    assert await queue.next_callbacks(5.0, 9) == [DueCallback("task", 5.0, tries=1)]
    await queue.drop_callback("task")
    await queue.drop_callback("task")
    assert await queue.next_callbacks(1e9, 9) == []
