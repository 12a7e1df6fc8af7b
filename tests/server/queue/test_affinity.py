"""Workers prefer tasks of the models that they have loaded, within bounds, in both queues."""

import asyncio
from collections import Counter

import pytest

from server.queue import COURTESY_S
from server.queue.redis import scripts
from tests.server.queue.conftest import accept, lease


@pytest.fixture
def longer_courtesy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis has its own clock, and a busy machine may stand still for COURTESY_S."""
    monkeypatch.setattr(scripts, "COURTESY_S", 60.0)


async def test_loaded_models_are_preferred_except_one_pick_in_eight(queue, clock, make_task) -> None:
    """I10"""
    cold = [make_task("a", models=("cold",)) for _ in range(40)]
    warm = [make_task("a", models=("warm", "extra")) for _ in range(40)]
    await accept(queue, *cold, *warm)
    clock.pass_by(COURTESY_S)
    models = [(await lease(queue, resident=("warm",))).task.models[0] for _ in range(40)]
    assert models == (["warm"] * 7 + ["cold"]) * 5


@pytest.mark.usefixtures("longer_courtesy")
async def test_idle_worker_lets_one_with_the_model_go_first(queue, make_task) -> None:
    task = make_task(models=("m",))
    cold = asyncio.create_task(queue.lease("cold", ("other",), 60.0))
    await asyncio.sleep(0.01)
    warm = asyncio.create_task(queue.lease("warm", ("m",), 60.0))
    await asyncio.sleep(0.01)
    await accept(queue, task)
    assert (await warm).task == task
    assert not cold.done()
    cold.cancel()
    await asyncio.gather(cold, return_exceptions=True)


async def test_courtesy_ends_soon(queue, clock, make_task) -> None:
    task = make_task(models=("m",))
    await accept(queue, task)
    assert await queue.lease("cold", ("other",), 0) is None
    clock.pass_by(COURTESY_S)
    assert (await lease(queue, "cold", ("other",))).task == task


@pytest.mark.parametrize(("models", "resident"), [(("m",), ()), ((), ("other",))])
async def test_worker_without_models_does_not_wait(queue, make_task, models, resident) -> None:
    """A worker without models, and any worker where the task needs none."""
    task = make_task(models=models)
    await accept(queue, task)
    leased = await queue.lease("w", resident, 0.02)
    assert leased is not None
    assert leased.task == task


async def test_no_task_starves_while_other_models_are_loaded(queue, clock, make_task) -> None:
    """I10: in a stream of preferred tasks, another task is picked eighth at the latest."""
    lone = make_task("lone", models=("cold",))
    await accept(queue, *(make_task("crowd", models=("warm",)) for _ in range(50)), lone)
    picks = []
    for _ in range(16):
        await accept(queue, make_task("crowd", models=("warm",)))
        clock.pass_by(COURTESY_S)
        picks.append((await lease(queue, resident=("warm",))).task.id)
    assert picks.index(lone.id) <= 8


async def test_loaded_model_gives_a_tenant_no_extra_share(queue, clock, make_task) -> None:
    """I9: the advantage of a tenant with a loaded model is bounded."""
    await accept(queue, *(make_task("warm", models=("m",)) for _ in range(300)))
    await accept(queue, *(make_task("cold", models=("other",)) for _ in range(300)))
    clock.pass_by(COURTESY_S)
    served = Counter([(await lease(queue, resident=("m",))).task.tenant for _ in range(200)])
    assert served["warm"] - served["cold"] <= 12
