"""Several workers in one process, as `hua serve` has one for each device."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from server.observability.metrics import WORKER_READY
from server.services import Services
from server.task import Status, Task
from server.worker.worker import Worker

DEVICES = ("fake:0", "fake:1", "fake:2", "fake:3")


@pytest.fixture
async def workers(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Worker]]:
    """Each runs one task at a time."""
    monkeypatch.setenv("CHAOS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("CHAOS_CAPACITY", "1")
    monkeypatch.setenv("CHAOS_STEP_S", "0.03")
    workers = [Worker(services, device, child="tests.chaos.device") for device in DEVICES]
    running = [asyncio.create_task(worker.run()) for worker in workers]
    yield workers
    await asyncio.gather(*(worker.drain() for worker in workers))
    for task in running:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*running)


def new_task(number: int, steps: int) -> Task:
    params = {"text": "x", "seed": number, "num_steps": steps, "w": 64, "h": 64}
    return Task(id=f"{number:032x}", type="txt2img.sd", params=params, tenant="t", created_at=1.0)


async def until(services: Services, tasks: list[Task], status: Status) -> None:
    for task in tasks:
        while (view := await services.queue.find(task.id)) is None or view.status is not status:
            assert view is None or not view.status.final
            await asyncio.sleep(0.02)


def kill_a_device() -> None:
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    devices = [pid for pid in children if b"tests.chaos.device" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(devices) == len(DEVICES)
    os.kill(int(devices[0]), signal.SIGKILL)


async def test_each_device_takes_a_task_and_a_killed_one_loses_none(services: Services, workers: list[Worker]) -> None:
    tasks = [new_task(number, steps=100) for number in range(4)]
    for task in tasks:
        await services.queue.ingest(task)
    while (await services.queue.overview()).running < len(DEVICES):
        await asyncio.sleep(0.02)
    kill_a_device()
    await until(services, tasks, Status.SUCCEEDED)
    while not all(worker.health().ready for worker in workers):
        await asyncio.sleep(0.05)


async def test_gauges_of_several_workers_add_up(services: Services, workers: list[Worker]) -> None:
    while WORKER_READY.collect()[0].samples[0].value != len(workers):
        await asyncio.sleep(0.05)
