"""Picking from the fair queue. Its fairness is tested in test_fairness.py."""

from collections import Counter

import pytest

from server.queue.fair_queue import LOOK_AHEAD, SLACK, FairQueue


@pytest.fixture
def line() -> FairQueue:
    return FairQueue()


def fill(line: FairQueue, tasks) -> list[str]:
    for order, task in enumerate(tasks):
        line.add(task, order)
    return [task.id for task in tasks]


def pick(line: FairQueue, resident=()):
    if task := line.choose(resident):
        line.take(task)
    return task


def drain(line: FairQueue, resident=()) -> list[str]:
    found = []
    while task := pick(line, resident):
        found.append(task.id)
    return found


def test_empty_queue_has_no_choice(line, make_task) -> None:
    assert pick(line) is None
    line.remove("unknown")
    assert line.ahead(make_task()) == 0


def test_returned_task_takes_its_old_position(line, make_task) -> None:
    ids = fill(line, [make_task(models=(model,)) for model in "abcab"])
    picked = [pick(line) for _ in range(4)]
    for index in (2, 0, 3, 1):
        line.add(picked[index], index)
    assert drain(line) == ids
    assert len(line) == 0


def test_removed_task_is_not_picked_or_charged(line, make_task) -> None:
    tasks = [make_task(tenant) for tenant in "aabb"]
    fill(line, tasks)
    line.remove(tasks[0].id)
    line.remove(tasks[0].id)
    assert drain(line) == [tasks[1].id, tasks[2].id, tasks[3].id]


def test_task_without_a_model_fits_every_worker(line, make_task) -> None:
    tasks = [make_task(models=("cold",)), make_task(), make_task(models=("warm",))]
    fill(line, tasks)
    assert drain(line, ("warm",)) == [tasks[1].id, tasks[2].id, tasks[0].id]


def test_fair_pick_does_not_prefer_tasks_without_a_model(line, make_task) -> None:
    ids = fill(line, [make_task(models=("cold",)), make_task()])
    assert drain(line) == ids


def test_first_model_of_a_task_decides_affinity(line, make_task) -> None:
    tasks = [make_task(models=("cold", "warm")), make_task(models=("warm", "cold"))]
    fill(line, tasks)
    assert drain(line, ("warm",)) == [tasks[1].id, tasks[0].id]


def test_affinity_looks_at_the_least_served_tenants_only(line, make_task) -> None:
    crowd = [make_task(f"t{number}", models=("cold",)) for number in range(LOOK_AHEAD)]
    last = make_task("last", models=("warm",))
    fill(line, [*crowd, last])
    assert pick(line, ("warm",)) == crowd[0]
    assert pick(line, ("warm",)) == last


def test_tenant_far_ahead_is_not_preferred(line, make_task) -> None:
    warm = [make_task("warm", models=("m",), cost=SLACK * 0.6) for _ in range(9)]
    cold = [make_task("cold", models=("other",), cost=SLACK * 0.6) for _ in range(9)]
    fill(line, [*warm, *cold])
    assert Counter(pick(line, ("m",)).tenant for _ in range(4)) == {"warm": 3, "cold": 1}


def test_free_task_does_not_keep_its_tenant_first(line, make_task) -> None:
    free = [make_task("free", cost=0.0) for _ in range(300)]
    paid = make_task("paid", cost=1.0)
    other = make_task("paid", cost=1.0)
    fill(line, [*free, paid, other])
    assert drain(line).index(other.id) < 150


def test_picks_from_ten_thousand_tasks(line, make_task) -> None:
    tasks = [make_task(f"t{number % 1000}", models=(f"m{number % 7}",)) for number in range(10_000)]
    ids = fill(line, tasks)
    assert sorted(drain(line, ("m3",))) == sorted(ids)
