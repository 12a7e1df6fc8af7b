"""How a worker is: whether it can work, and whether its device hangs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from server.queue import Lease, Verdict
from server.services import Services
from server.storage.bucket import BucketUnavailableError
from server.task import Status, Task
from server.worker import worker
from server.worker.worker import Worker
from tests.chaos.device import CAPACITY


@pytest.fixture
async def one(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Worker]:
    """One with a pretended device, which says that it lives only when it has something to say."""
    monkeypatch.setenv("CHAOS_RUNS", str(tmp_path / "runs"))
    one = Worker(services, "cpu", child="tests.chaos.device")
    running = asyncio.create_task(one.run())
    yield one
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_a_worker_whose_device_falls_silent_is_not_alive(one: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    first = one.health()
    assert (first.alive, first.ready) == (True, False)
    while not one.health().ready:
        await asyncio.sleep(0.02)
    monkeypatch.setattr(worker, "STALE_S", 0.1)
    while one.health().alive:
        await asyncio.sleep(0.02)
    assert "has not been heard of" in one.health().said


async def test_a_worker_that_drains_is_alive_and_not_ready(one: Worker) -> None:
    while not one.health().ready:
        await asyncio.sleep(0.02)
    one._draining = True
    assert (one.health().alive, one.health().ready) == (True, False)


async def test_no_more_is_made_than_may_be_held_while_the_bucket_is_away(
    one: Worker, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I17"""
    as_it_is, away = services.bucket.put, True

    async def put(key: str, data: bytes) -> None:
        if away:
            raise BucketUnavailableError("away")
        await as_it_is(key, data)

    def ended() -> int:
        runs = tmp_path / "runs"
        return runs.read_text().count('"ended"') if runs.exists() else 0

    monkeypatch.setattr(services.bucket, "put", put)
    monkeypatch.setattr(worker, "IN_HAND", 3)
    await services.queue.begin()
    await services.queue.open()
    for number in range(9):
        params = {"text": f"x{number}", "seed": 1, "num_steps": 1, "w": 64, "h": 64}
        await services.queue.ingest(
            Task(id=f"{number:032x}", type="txt2img.sd", params=params, tenant="t", created_at=1.0)
        )
    while ended() < 3:
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    assert ended() < 3 + CAPACITY
    away = False
    while ended() < 9:
        await asyncio.sleep(0.02)


async def test_what_a_killed_worker_could_not_hand_over_the_next_one_does(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device's work is not lost with it."""
    monkeypatch.setenv("CHAOS_RUNS", str(tmp_path / "runs"))
    params = {"text": "x", "seed": 1, "num_steps": 1, "w": 64, "h": 64}
    task = Task(id="0" * 32, type="txt2img.sd", params=params, tenant="t", created_at=1.0)
    await services.queue.ingest(task)

    async def away(*_: object) -> None:
        raise BucketUnavailableError("away")

    first, second = (Worker(services, "cpu", child="tests.chaos.device") for _ in range(2))
    with monkeypatch.context() as outage:
        outage.setattr(services.bucket, "put", away)
        running = asyncio.create_task(first.run())
        while not list((services.settings.data_dir / "spool").glob("*/*.outcome")):
            await asyncio.sleep(0.02)
        for work in (running, *first._tasks):
            work.cancel()
        await asyncio.gather(running, *first._tasks, return_exceptions=True)
    running = asyncio.create_task(second.run())
    while (manifest := await services.bucket.manifest(task.id)) is None:
        await asyncio.sleep(0.02)
    assert (tmp_path / "runs").read_text().count('"began"') == 1
    assert await services.bucket.get(manifest.outcome.images[0].key) is not None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_all_leases_are_renewed_at_once(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    one, together, renewed = Worker(services, "cpu"), asyncio.Barrier(3), asyncio.Event()

    async def heartbeat(*_: object) -> Verdict:
        await together.wait()
        renewed.set()
        return Verdict.OK

    monkeypatch.setattr(services.queue, "heartbeat", heartbeat)
    for number in "123":
        one._begin(Lease(Task(id=number * 32, type="t", params={}, tenant="t", created_at=1.0), number, one.name))
    beating = asyncio.create_task(one._keep_beating())
    await asyncio.wait_for(renewed.wait(), 10)
    beating.cancel()


async def test_a_task_of_a_later_version_does_not_end_the_worker(
    services: Services, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def lease(*_: object) -> Lease:
        body = {"id": "0", "type": "t", "params": {}, "tenant": "t", "created_at": 1.0, "retention": "90d"}
        return Lease(Task.model_validate(body), "token", "worker")

    monkeypatch.setattr(services.queue, "lease", lease)
    assert await Worker(services, "cpu")._lease() is None
    assert "retention" in caplog.text


LONG = {"text": "x", "seed": 1, "num_steps": 100, "w": 64, "h": 64}


@pytest.mark.parametrize("overrides", [{"drain_s": 0.0}])
async def test_a_task_that_runs_alone_is_parked_as_any_other(one: Worker, services: Services, tmp_path: Path) -> None:
    task = Task(id="0" * 32, type="txt2img.sd", params=LONG, tenant="t", created_at=1.0)
    await services.queue.ingest(task)
    first = await services.queue.lease("elsewhere:cpu:1", (), 5.0)
    assert first is not None
    assert await services.queue.died(first)
    runs = tmp_path / "runs"
    while not runs.exists():
        await asyncio.sleep(0.02)
    await one.drain()
    assert '"parked"' in runs.read_text()
    second = await services.queue.lease("elsewhere:cpu:1", (), 5.0)
    assert second is not None
    assert second.parked


@pytest.mark.parametrize("overrides", [{"drain_s": 0.0}])
async def test_a_worker_that_drains_leaves_what_could_not_be_handed_over_on_the_disk(
    one: Worker, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise BucketUnavailableError("away")

    monkeypatch.setattr(services.bucket, "put", away)
    monkeypatch.setattr(worker, "PARK_S", 0.0)
    task = Task(id="0" * 32, type="txt2img.sd", params=LONG | {"num_steps": 1}, tenant="t", created_at=1.0)
    await services.queue.ingest(task)
    spool = services.settings.data_dir / "spool"
    while not list(spool.glob("*/*.outcome")):
        await asyncio.sleep(0.02)
    await one.drain()
    assert list(spool.glob("*/*.outcome"))
    view = await services.queue.find(task.id)
    assert view is not None
    assert view.status is Status.RUNNING, "given back, it would be made a second time"
    for work in list(one._tasks):
        work.cancel()
    await asyncio.gather(*one._tasks, return_exceptions=True)
