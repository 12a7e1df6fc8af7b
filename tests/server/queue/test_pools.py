"""A worker gets only tasks whose models it has, in both queues. Fairness, starvation and counts hold among these."""

import asyncio
import random
from collections import Counter

import pytest

from server.queue import LEASE_S, GroupView, MissingView, WorkerView
from server.queue.fair_queue import LOOK_AHEAD
from server.task import Status
from tests.server.queue.conftest import accept, drained, lease


async def announce(queue, name, models, broken=()) -> None:
    await queue.announce(WorkerView(name, "cpu", models=frozenset(models), broken=dict.fromkeys(broken, "is torn")))


@pytest.fixture
async def pools(queue):
    """Workers `small` and `large`, which have one model in common."""
    await announce(queue, "small", {"sd", "lora", "common"})
    await announce(queue, "large", {"sdxl", "common"})
    return queue


async def test_worker_gets_only_tasks_of_its_models(pools, make_task) -> None:
    own, other, common, none = (make_task(models=models) for models in (("sd",), ("sdxl",), ("common",), ()))
    await accept(pools, own, other, common, none)
    assert await drained(pools, "small") == [own.id, common.id, none.id]
    assert await drained(pools, "large") == [other.id]


async def test_every_model_of_a_task_counts(pools, make_task) -> None:
    await accept(pools, whole := make_task(models=("sd", "lora")), part := make_task(models=("sdxl", "lora")))
    assert await drained(pools, "small") == [whole.id]
    assert await drained(pools, "large") == []
    assert (await pools.find(part.id)).missing == ("sdxl", "lora"), "no worker has both"


async def test_task_of_one_pool_holds_up_none_of_its_tenant(pools, make_task) -> None:
    first, second = make_task("a", models=("sdxl",)), make_task("a", models=("sd",))
    await accept(pools, first, second)
    assert (await pools.find(second.id)).position == 1
    assert (await lease(pools, "small")).task == second


async def test_tenants_of_another_pool_hide_no_tenant(pools, make_task) -> None:
    """More of them than a pick looks at."""
    crowd = [make_task(f"t{number}", models=("sdxl",)) for number in range(3 * LOOK_AHEAD)]
    await accept(pools, *crowd, last := make_task("z", models=("sd",)))
    assert (await lease(pools, "small")).task == last


async def test_waiting_for_another_pool_saves_up_no_turns(pools, make_task) -> None:
    """I9: the tenant that waited for `large` all the time shares `small` equally from then on."""
    await accept(pools, *(make_task("patient", models=("sdxl",)) for _ in range(5)))
    await accept(pools, *(make_task("busy", models=("sd",)) for _ in range(60)))
    for _ in range(30):
        await lease(pools, "small")
    await accept(pools, *(make_task("patient", models=("sd",)) for _ in range(20)))
    served = Counter([(await lease(pools, "small")).task.tenant for _ in range(20)])
    assert abs(served["patient"] - served["busy"]) <= 2


async def test_no_servable_task_starves(pools, clock, make_task) -> None:
    """I10"""
    lone = make_task("lone", models=("common",))
    await accept(pools, make_task("lone", models=("sdxl",)), lone)
    await accept(pools, *(make_task("crowd", models=("sd",)) for _ in range(30)))
    clock.pass_by(1.0)
    picks = [(await lease(pools, "small", ("sd",))).task.id for _ in range(10)]
    assert lone.id in picks


async def test_common_task_leaves_every_pool_with_its_lease(pools, make_task) -> None:
    """I5"""
    await accept(pools, make_task(models=("common",)))
    assert await drained(pools, "small") != []
    assert await drained(pools, "large") == []


async def test_returned_task_waits_in_its_pools_again(pools, make_task) -> None:
    await accept(pools, task := make_task(models=("common",)))
    await pools.give_back(await lease(pools, "small"))
    assert (await lease(pools, "large")).task == task


async def test_task_of_a_model_that_nobody_has_waits_and_says_so(pools, make_task, make_manifest) -> None:
    await accept(pools, task := make_task(models=("sd", "gone")), make_task(models=("sd",)))
    view = await pools.find(task.id)
    assert (view.status, view.position, view.missing) == (Status.QUEUED, 0, ("gone",))
    assert await pools.ingest(task) is None
    overview = await pools.overview()
    assert overview.missing == (MissingView(("gone",), 1, 1.0),)
    assert (overview.queued, sum(line.count for line in overview.lines)) == (2, 2)
    assert len(await drained(pools, "small")) == 1
    await pools.settle(make_manifest(task, Status.CANCELED))
    assert (await pools.overview()).missing == ()


async def test_waiting_task_runs_when_a_worker_that_has_its_model_comes(pools, make_task) -> None:
    await accept(pools, task := make_task(models=("new",)))
    assert await drained(pools, "small") == []
    await announce(pools, "small", {"sd", "new"})
    assert (await pools.find(task.id)).missing == ()
    assert (await pools.find(task.id)).position == 1
    assert (await lease(pools, "small")).task == task
    assert (await pools.overview()).missing == ()


async def test_worker_that_waits_gets_what_its_new_model_brings(pools, make_task) -> None:
    await accept(pools, task := make_task(models=("new",)))
    waiting = asyncio.create_task(pools.lease("large", (), 10.0))
    await asyncio.sleep(0.01)
    await announce(pools, "large", {"sdxl", "new"})
    assert (await waiting).task == task


async def test_model_that_is_removed_is_not_served_any_more(pools, make_task) -> None:
    await accept(pools, task := make_task(models=("lora",)))
    await announce(pools, "small", {"sd"})
    assert await drained(pools, "small") == []
    assert (await pools.find(task.id)).missing == ("lora",)


async def test_tasks_wait_for_the_models_of_a_silent_worker(pools, clock, make_task) -> None:
    await accept(pools, task := make_task(models=("sd",)))
    clock.pass_by(LEASE_S)
    await announce(pools, "large", {"sdxl"})
    assert (await pools.find(task.id)).missing == ("sd",)
    clock.pass_by(LEASE_S)
    await pools.expired()
    view = await pools.find(task.id)
    assert (view.position, view.missing) == (1, ()), "no worker lives, so it is not known what the next one has"


async def test_another_worker_takes_the_tasks_of_a_broken_model(queue, make_task) -> None:
    await announce(queue, "torn", {"sd"}, broken={"sd"})
    await announce(queue, "whole", {"sd"})
    await accept(queue, task := make_task(models=("sd",)))
    assert await drained(queue, "torn") == []
    assert (await lease(queue, "whole")).task == task


async def test_model_that_nobody_can_load_fails_its_tasks(queue, make_task) -> None:
    """A worker takes them, and says what is wrong with the file."""
    await announce(queue, "a", {"sd"})
    await announce(queue, "b", {"sd"}, broken={"sd"})
    await accept(queue, task := make_task(models=("sd",)))
    assert await drained(queue, "b") == []
    await announce(queue, "a", {"sd"}, broken={"sd"})
    assert (await lease(queue, "b")).task == task


async def test_worker_that_does_not_say_what_it_has_takes_every_task(pools, make_task) -> None:
    await accept(pools, task := make_task(models=("gone",)))
    await pools.announce(WorkerView("old", "cpu"))
    assert (await lease(pools, "old")).task == task


async def test_overview_knows_what_each_worker_has(pools) -> None:
    workers = (await pools.overview()).workers
    assert {worker.name: worker.models for worker in workers} == {
        "small": {"sd", "lora", "common"},
        "large": {"sdxl", "common"},
    }


async def test_overview_knows_the_work_that_each_group_can_do(queue, make_task) -> None:
    """And what no worker can do. A task of a model that both groups have counts for both."""
    for name, group, models in (("a", "small", {"sd", "both"}), ("b", "large", {"sdxl", "both"}), ("c", "", {"sd"})):
        await queue.announce(WorkerView(name, "cpu", models=frozenset(models), group=group))
    works = (("sd", 1.0), ("sdxl", 2.0), ("sdxl", 4.0), ("both", 8.0), ("gone", 16.0), ("gone", 32.0))
    await accept(queue, *(make_task(models=(model,), cost=cost) for model, cost in works))
    overview = await queue.overview()
    assert overview.groups == (GroupView("large", 14.0), GroupView("small", 9.0))
    assert overview.missing == (MissingView(("gone",), 2, 48.0),)
    await drained(queue, "b")
    assert (await queue.overview()).groups == (GroupView("large", 0.0), GroupView("small", 1.0))
    await announce(queue, "d", {"gone"})
    assert (await queue.overview()).missing == ()


async def test_models_of_a_group_may_change_one_worker_after_the_other(queue, make_task) -> None:
    for name, models in (("a", {"sd"}), ("b", {"sd", "new"})):
        await queue.announce(WorkerView(name, "cpu", models=frozenset(models), group="g"))
    await accept(queue, make_task(models=("sd",), cost=1.0), make_task(models=("new",), cost=2.0))
    assert (await queue.overview()).groups == (GroupView("g", 3.0),)


async def test_missing_models_are_known_before_a_task_is_submitted(queue) -> None:
    assert await queue.missing(("sd",)) == ()
    await announce(queue, "w", {"sd"})
    assert await queue.missing(("sd",)) == ()
    assert await queue.missing(("sd", "gone", "lost")) == ("gone", "lost")


async def test_tasks_that_wait_for_nobody_do_not_delay_others(pools, make_task) -> None:
    await accept(pools, make_task(models=("gone",)))
    waiting = asyncio.create_task(pools.lease("small", (), 10.0))
    await asyncio.sleep(0.01)
    await accept(pools, task := make_task(models=("sd",)))
    assert (await waiting).task == task


async def test_many_waiting_tasks_move_to_a_new_pool(pools, make_task) -> None:
    tasks = [make_task(f"t{number % 7}", models=("new",)) for number in range(500)]
    await accept(pools, *tasks)
    await announce(pools, "late", {"new"})
    leased = [(await lease(pools, "late")).task.id for _ in tasks]
    assert sorted(leased) == sorted(task.id for task in tasks)


@pytest.mark.parametrize("seed", range(6))
async def test_random_pools_serve_each_task_where_its_models_are(queue, make_task, make_manifest, seed) -> None:
    """I1, I5: whatever comes and goes, a lease fits its worker, views agree with what lives, and no task is lost."""
    rng = random.Random(seed)
    names = ("a", "b", "c", "d")
    live: dict[str, set[str]] = {}
    waiting: dict[str, set[str]] = {}
    held = []
    for _ in range(120):
        action = rng.choice(("announce", "accept", "accept", "lease", "lease", "return", "settle"))
        if action == "announce":
            worker = f"w{rng.randrange(3)}"
            live[worker] = set(rng.sample(names, rng.randrange(4)))
            await announce(queue, worker, live[worker])
        elif action == "accept":
            task = make_task(f"t{rng.randrange(3)}", models=tuple(rng.sample(names, rng.randrange(3))))
            await accept(queue, task)
            waiting[task.id] = set(task.models)
        elif action == "lease" and live:
            worker = rng.choice(sorted(live))
            leased = await queue.lease(worker, (), 0)
            servable = [task_id for task_id, needed in waiting.items() if needed <= live[worker]]
            assert (leased is None) == (not servable)
            if leased:
                assert leased.task.id in servable
                del waiting[leased.task.id]
                held.append(leased)
        elif held:
            leased = held.pop(rng.randrange(len(held)))
            if action == "settle":
                await queue.settle(make_manifest(leased.task))
            else:
                await queue.give_back(leased)
                waiting[leased.task.id] = set(leased.task.models)
        for task_id, needed in waiting.items():
            view = await queue.find(task_id)
            served = not live or any(needed <= models for models in live.values())
            assert (view.position > 0, view.missing == ()) == (served, served)
    overview = await queue.overview()
    nobody = sum(all(not needed <= models for models in live.values()) for needed in waiting.values()) if live else 0
    assert sum(view.count for view in overview.missing) == nobody
    assert sum(line.count for line in overview.lines) == len(waiting)
    await announce(queue, "last", names)
    assert sorted(await drained(queue, "last")) == sorted(waiting)
