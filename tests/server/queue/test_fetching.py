"""A worker that fetches enough for a tenant takes only the tenant's other tasks, in both queues."""

import asyncio

from server.queue import COURTESY_S
from tests.server.queue.conftest import accept, drained, lease


async def test_tasks_that_fetch_are_left_to_other_workers(queue, make_task) -> None:
    slow, plain, other = make_task("a", fetches=True), make_task("a"), make_task("b", fetches=True)
    await accept(queue, slow, plain, other)
    assert {(await queue.lease("w", (), 0, ["a"])).task.id for _ in range(2)} == {plain.id, other.id}
    assert await queue.lease("w", (), 0, ["a"]) is None
    assert (await lease(queue, "elsewhere")).task == slow


async def test_class_with_nothing_for_this_worker_is_passed_over(queue, make_task) -> None:
    await accept(queue, make_task("a", fetches=True, priority="high"), make_task("a", priority="low"))
    leased = await queue.lease("w", (), 0, ["a"])
    assert leased is not None
    assert leased.task.priority == "low"


async def test_more_excluded_tenants_than_are_searched_hide_no_other(queue, make_task) -> None:
    names = [f"slow{number}" for number in range(20)]
    await accept(queue, *(make_task(name, fetches=True) for name in names), last := make_task("z"))
    leased = await queue.lease("w", (), 0, names)
    assert leased is not None
    assert leased.task == last


async def test_loaded_model_is_preferred_among_what_is_left(queue, clock, make_task) -> None:
    tasks = [
        make_task("a", models=("warm",), fetches=True),
        make_task("a", models=("cold",)),
        make_task("a", models=("warm",)),
    ]
    await accept(queue, *tasks)
    clock.pass_by(COURTESY_S)
    leased = await queue.lease("w", ("warm",), 0, ["a"])
    assert leased is not None
    assert leased.task == tasks[2]
    assert (await lease(queue, "w", ("warm",))).task == tasks[0]


async def test_worker_that_waits_gets_the_first_task_that_it_may_take(queue, make_task) -> None:
    await accept(queue, make_task("a", fetches=True))
    waiting = asyncio.create_task(queue.lease("w", (), 10.0, ["a"]))
    await asyncio.sleep(0.01)
    await accept(queue, plain := make_task("b"))
    leased = await waiting
    assert leased is not None
    assert leased.task == plain


async def test_returned_task_still_counts_as_one_that_fetches(queue, make_task) -> None:
    await accept(queue, make_task("a", fetches=True))
    await queue.give_back(await lease(queue))
    assert await queue.lease("w", (), 0, ["a"]) is None
    assert len(await drained(queue)) == 1
    assert await drained(queue) == []
