"""How a worker's health, leases and drain behave; its device only pretends to generate (tests/chaos/device.py)."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from server.egress.client import Egress
from server.process.health_server import Health
from server.queue import Lease, Verdict, WorkerView
from server.services import Services
from server.storage.bucket import BucketUnavailableError
from server.task import Status, Task
from server.tasks.input_images import InputImages
from server.worker import worker as worker_module
from server.worker.worker import Worker
from tests.chaos.device import CAPACITY
from tests.support import model_files
from tests.support.model_files import write_model

SHORT = {"text": "x", "seed": 1, "num_steps": 1, "w": 64, "h": 64}
LONG = SHORT | {"num_steps": 100}
PHOTO = {"text": "x", "seed": 1, "num_steps": 1, "wh": [64, 64]}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which devices note their runs."""
    monkeypatch.setenv("CHAOS_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


@pytest.fixture
def slow_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices that start later take no step during a test, so attempts report no progress."""
    monkeypatch.setenv("CHAOS_STEP_S", "60")


@pytest.fixture
async def worker(services: Services, runs: Path) -> AsyncIterator[Worker]:
    """Its device sends a sign of life only when it has something to report."""
    async with running_worker(services) as worker:
        yield worker


@asynccontextmanager
async def running_worker(services: Services) -> AsyncIterator[Worker]:
    worker = Worker(services, "cpu", child="tests.chaos.device")
    running = asyncio.create_task(worker.run())
    yield worker
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def leased_elsewhere(services: Services) -> Lease:
    """A lease of another worker, which takes every task."""
    await services.queue.announce(WorkerView("elsewhere:cpu:1", "cpu"))
    lease = await services.queue.lease("elsewhere:cpu:1", (), 5.0)
    assert lease is not None
    return lease


def new_task(number: int = 0, params: dict[str, object] = SHORT, tenant: str = "t") -> Task:
    """A task with an input image if there is a `url`."""
    task_type = "img2img.sd" if "url" in params else "txt2img.sd"
    return Task(
        id=f"{number:032x}",
        type=task_type,
        params=params,
        tenant=tenant,
        created_at=1.0,
        fetches="url" in params,
    )


async def succeeded(services: Services, task: Task) -> None:
    while (view := await services.queue.find(task.id)) is None or view.status is not Status.SUCCEEDED:
        assert view is None or not view.status.final
        await asyncio.sleep(0.02)


async def ready(worker: Worker) -> None:
    while not worker.health().ready:
        await asyncio.sleep(0.02)


async def exists(file: Path) -> None:
    while not file.exists():
        await asyncio.sleep(0.02)


async def never(host: str, port: int) -> list[str]:
    """A name server that does not answer."""
    await asyncio.Event().wait()
    return []


async def unavailable(*_: object) -> None:
    raise BucketUnavailableError("away")


async def kill(worker: Worker) -> None:
    """Ends all its work at once. No public verb does what a kill does, hence the private member."""
    background = list(worker._background)
    for work in background:
        work.cancel()
    await asyncio.gather(*background, return_exceptions=True)


@pytest.mark.parametrize("overrides", [{"step_timeout": 1.0}])
async def test_tasks_of_a_device_that_hangs_are_handed_on(worker: Worker, services: Services, runs: Path) -> None:
    assert worker.health() == Health(False, "the device process starts")
    await ready(worker)
    hanging = new_task(params=SHORT | {"text": "hang"})
    await services.queue.ingest(hanging)
    while (health := worker.health()).ready:
        await asyncio.sleep(0.01)
    assert "reported nothing for 1 s" in health.reason
    assert health.alive
    while not (problem := (await services.queue.overview()).workers[0].problem):
        await asyncio.sleep(0.01)
    assert "reported nothing" in problem
    await succeeded(services, hanging)
    assert runs.read_text().count('"began"') == 2
    assert worker.health().ready


async def test_slow_hosts_of_one_tenant_hold_up_no_other_task(services: Services, runs: Path, png: bytes) -> None:
    """Not even the tenant's own, if there is nothing to fetch for it."""
    attacked = replace(services, egress=Egress(resolve=never))
    upload = await InputImages.of(attacked).store(png, "b")
    async with running_worker(attacked):
        for number in range(80):
            await services.queue.ingest(new_task(number, PHOTO | {"url": f"http://h{number}.example/"}, "a"))
        while (await services.queue.overview()).running < CAPACITY:
            await asyncio.sleep(0.02)
        others = [new_task(100, tenant="b"), new_task(101, PHOTO | {"url": upload.id}, "b"), new_task(102, tenant="a")]
        for task in others:
            await services.queue.ingest(task)
        for task in others:
            await succeeded(services, task)


async def test_slow_task_under_which_a_device_has_died_holds_up_no_other(services: Services, runs: Path) -> None:
    """It runs alone, but is fetched beside the others."""
    await services.queue.ingest(new_task(0, PHOTO | {"url": "http://slow.example/"}))
    first = await leased_elsewhere(services)
    assert await services.queue.died(first)
    async with running_worker(replace(services, egress=Egress(resolve=never))):
        while (await services.queue.overview()).running < 1:
            await asyncio.sleep(0.02)
        await services.queue.ingest(other := new_task(1))
        await succeeded(services, other)


async def test_task_leased_while_another_runs_alone_waits(worker: Worker, services: Services, runs: Path) -> None:
    """The worker already waited for its next task when the other one got the device for itself."""
    await services.queue.ingest(new_task(0, SHORT | {"text": "alone", "num_steps": 20}))
    first = await leased_elsewhere(services)
    assert await services.queue.died(first)
    await exists(runs)
    await services.queue.ingest(other := new_task(1, SHORT | {"text": "other"}))
    await succeeded(services, other)
    notes = [json.loads(line) for line in runs.read_text().splitlines()]
    order = [(note["what"], note["text"]) for note in notes]
    assert order == [("began", "alone"), ("ended", "alone"), ("began", "other"), ("ended", "other")]


@pytest.mark.parametrize("overrides", [{"drain_s": 60.0}])
async def test_draining_worker_is_alive_and_not_ready(worker: Worker, services: Services, runs: Path) -> None:
    await services.queue.ingest(new_task(params=LONG))
    await exists(runs)
    draining = asyncio.create_task(worker.drain())
    await asyncio.sleep(0)
    health = worker.health()
    assert (health.alive, health.ready, health.reason) == (True, False, "draining")
    draining.cancel()


async def test_results_that_wait_for_the_bucket_limit_new_leases(
    worker: Worker, services: Services, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I17"""
    put, away = services.bucket.put, True

    async def put_unless_away(key: str, data: bytes) -> None:
        if away:
            raise BucketUnavailableError("away")
        await put(key, data)

    def ended() -> int:
        return runs.read_text().count('"ended"') if runs.exists() else 0

    monkeypatch.setattr(services.bucket, "put", put_unless_away)
    monkeypatch.setattr(worker_module, "MAX_UNPUBLISHED", 3)
    await services.queue.begin()
    await services.queue.open()
    for number in range(9):
        await services.queue.ingest(new_task(number, SHORT | {"text": f"x{number}"}))
    while ended() < 3:
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.3)
    assert ended() < 3 + CAPACITY
    away = False
    while ended() < 9:
        await asyncio.sleep(0.02)


async def test_worker_publishes_what_a_killed_one_left_on_disk(
    services: Services, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task does not run a second time."""
    task = new_task()
    await services.queue.ingest(task)
    first, second = (Worker(services, "cpu", child="tests.chaos.device") for _ in range(2))
    with monkeypatch.context() as outage:
        outage.setattr(services.bucket, "put", unavailable)
        running = asyncio.create_task(first.run())
        while not list((services.settings.data_dir / "spool").glob("*/*.outcome")):
            await asyncio.sleep(0.02)
        running.cancel()
        await kill(first)
        await asyncio.gather(running, return_exceptions=True)
    running = asyncio.create_task(second.run())
    while (manifest := await services.bucket.manifest(task.id)) is None:
        await asyncio.sleep(0.02)
    assert runs.read_text().count('"began"') == 1
    assert await services.bucket.get(manifest.outcome.images[0].key) is not None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_all_leases_are_renewed_at_once(
    slow_steps: None, worker: Worker, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    concurrent, most = 0, 0

    async def heartbeat(*_: object) -> Verdict:
        nonlocal concurrent, most
        concurrent += 1
        most = max(most, concurrent)
        await asyncio.sleep(0.05)
        concurrent -= 1
        return Verdict.OK

    monkeypatch.setattr(services.queue, "heartbeat", heartbeat)
    monkeypatch.setattr(worker_module, "HEARTBEAT_S", 0.01)
    for number in range(CAPACITY):
        await services.queue.ingest(new_task(number, LONG))
    async with asyncio.timeout(10):
        while most < CAPACITY:
            await asyncio.sleep(0.02)


async def test_task_of_a_later_version_does_not_end_the_worker(
    worker: Worker, services: Services, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def lease(*_: object) -> Lease:
        body = {"id": "0", "type": "t", "params": {}, "tenant": "t", "created_at": 1.0, "retention": "90d"}
        return Lease(Task.model_validate(body), "token", "worker")

    monkeypatch.setattr(services.queue, "lease", lease)
    while "cannot read a task" not in caplog.text:
        await asyncio.sleep(0.02)
    assert "retention" in caplog.text
    assert worker.health().ready


@pytest.mark.parametrize("overrides", [{"drain_s": 0.0}])
async def test_drain_parks_a_task_that_runs_alone(worker: Worker, services: Services, runs: Path) -> None:
    await services.queue.ingest(new_task(params=LONG))
    first = await leased_elsewhere(services)
    assert await services.queue.died(first)
    await exists(runs)
    await worker.drain()
    assert '"parked"' in runs.read_text()
    second = await leased_elsewhere(services)
    assert second.parked


@pytest.mark.parametrize("overrides", [{"drain_s": 0.0}])
async def test_drain_leaves_unpublished_results_on_disk(
    worker: Worker, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.bucket, "put", unavailable)
    monkeypatch.setattr(worker_module, "PARK_S", 0.0)
    task = new_task()
    await services.queue.ingest(task)
    spool = services.settings.data_dir / "spool"
    while not list(spool.glob("*/*.outcome")):
        await asyncio.sleep(0.02)
    await worker.drain()
    assert list(spool.glob("*/*.outcome"))
    view = await services.queue.find(task.id)
    assert view is not None
    assert view.status is Status.RUNNING, "given back, it would run a second time"
    await kill(worker)


async def test_device_learns_of_changes_in_the_models_folder(services: Services, worker: Worker) -> None:
    await ready(worker)
    old = services.settings.models_path / "old.ckpt"
    old.write_bytes(b"\x80")
    os.utime(old, (1, 1))
    services.live_catalog.refresh()
    while "old.ckpt is a pickle" not in worker.health().reason:
        await asyncio.sleep(0.01)


async def test_device_that_starts_later_learns_of_earlier_changes(services: Services, runs: Path) -> None:
    (services.settings.models_path / "old.ckpt").write_bytes(b"\x80")
    os.utime(services.settings.models_path / "old.ckpt", (1, 1))
    services.live_catalog.refresh()
    async with running_worker(services) as worker:
        while "old.ckpt is a pickle" not in worker.health().reason:
            await asyncio.sleep(0.01)


async def test_task_of_a_new_model_runs_as_soon_as_the_worker_has_seen_it(services: Services, worker: Worker) -> None:
    """The api may have seen the file first."""
    await ready(worker)
    write_model(services.settings.models_path / "pen.safetensors", model_files.LORA_SD1)
    task = new_task().model_copy(update={"models": ("toy", "pen")})
    await services.queue.ingest(task)
    view = await services.queue.find(task.id)
    assert view is not None
    assert view.missing == ("pen",)
    services.live_catalog.refresh()
    await succeeded(services, task)
