"""The order of tenants and classes, in both queues."""

import random
from collections import Counter

from tests.server.queue.conftest import accept, drained, lease


async def test_light_tenant_hardly_notices_a_heavy_one(queue, make_task) -> None:
    """I9"""
    heavy, light = [make_task("heavy") for _ in range(100)], make_task("light")
    await accept(queue, *heavy, light)
    assert (await drained(queue)).index(light.id) == 1


async def test_tenants_share_by_cost(queue, make_task) -> None:
    """I9: |served_a - served_b| ≤ max cost × (workers + 1), here with one worker, at every moment."""
    rng = random.Random(2)
    costs = {"small": (0.1, 1.0), "middle": (1.0, 4.0), "large": (2.0, 8.0)}
    for tenant, (low, high) in costs.items():
        await accept(queue, *(make_task(tenant, cost=rng.uniform(low, high)) for _ in range(300)))
    served = dict.fromkeys(costs, 0.0)
    for _ in range(250):
        leased = await lease(queue)
        served[leased.task.tenant] += leased.task.cost
        assert max(served.values()) - min(served.values()) <= 8.0 * 2


async def test_pause_saves_nothing_up(queue, make_task) -> None:
    await accept(queue, *(make_task("busy") for _ in range(200)))
    for _ in range(100):
        await lease(queue)
    await accept(queue, *(make_task("back") for _ in range(50)))
    tenants = Counter([(await lease(queue)).task.tenant for _ in range(20)])
    assert tenants == {"busy": 10, "back": 10}


async def test_single_tasks_at_a_time_gain_nothing(queue, make_task) -> None:
    """I9"""
    await accept(queue, *(make_task("steady") for _ in range(60)), make_task("shy", cost=10.0))
    picks = []
    for _ in range(44):
        leased = await lease(queue)
        picks.append(leased.task.tenant)
        if leased.task.tenant == "shy":
            await accept(queue, make_task("shy", cost=10.0))
    assert Counter(picks) == {"steady": 40, "shy": 4}


async def test_tenants_share_by_weight(queue, make_task) -> None:
    tasks = [make_task(tenant, weight=weight, cost=2.0) for tenant, weight in (("a", 1), ("b", 3)) for _ in range(80)]
    await accept(queue, *tasks)
    shares = Counter([(await lease(queue)).task.tenant for _ in range(80)])
    assert shares == {"a": 20, "b": 60}


async def test_weight_does_not_move_the_class(queue, make_task) -> None:
    heavy = [make_task("a", weight=100, priority="low") for _ in range(40)]
    await accept(queue, *heavy, *(make_task("b", priority="normal") for _ in range(40)))
    shares = Counter([(await lease(queue)).task.tenant for _ in range(40)])
    assert shares == {"a": 10, "b": 30}


async def test_classes_share_by_weight_and_low_gets_a_tenth(queue, make_task) -> None:
    """I10"""
    for priority in ("low", "normal", "high"):
        await accept(queue, *(make_task(priority=priority) for _ in range(100)))
    shares = Counter([(await lease(queue)).task.priority for _ in range(100)])
    assert shares == {"high": 60, "normal": 30, "low": 10}


async def test_single_class_gets_everything(queue, make_task) -> None:
    low = [make_task(priority="low") for _ in range(20)]
    await accept(queue, *low)
    assert await drained(queue) == [task.id for task in low]
