"""A device process that hangs or dies is ended and started again. Its device only pretends to generate."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from server.settings import Settings
from server.worker import device_keeper
from server.worker.device_keeper import DeviceKeeper
from server.worker.device_process import Device, DeviceDiedError
from server.worker.messages import Run
from server.worker.step_deaths.step_deaths import StepDeaths

LONG = {"text": "x", "seed": 1, "num_steps": 1000, "w": 64, "h": 64}


@pytest.fixture
def changes() -> list[str]:
    """What the worker was told: the problem at each change, empty while there is a device."""
    return []


@pytest.fixture
def keeping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: list[str]):
    """`keeping(child, …)` runs a keeper of devices of this module."""
    monkeypatch.setenv("CHAOS_RUNS", str(tmp_path / "runs"))

    @asynccontextmanager
    async def run(child="tests.chaos.device", step_timeout_s=60.0, load_timeout_s=60.0) -> AsyncIterator[DeviceKeeper]:
        settings = Settings(data_dir=tmp_path, models_dir=tmp_path)

        async def on_change() -> None:
            changes.append(keeper.problem)

        deaths = StepDeaths.of_device(tmp_path, "cpu")

        def start() -> Device:
            return Device(settings, "cpu", child, steps=deaths.folder)

        keeper = DeviceKeeper(start, step_timeout_s, load_timeout_s, on_change, deaths)
        running = asyncio.create_task(keeper.run())
        yield keeper
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    return run


async def ready(keeper: DeviceKeeper) -> Device:
    while (device := keeper.device) is None:
        await asyncio.sleep(0.01)
    return device


async def ended(changes: list[str]) -> str:
    """The first problem."""
    while not any(changes):
        await asyncio.sleep(0.01)
    return next(filter(None, changes))


async def test_stopped_device_loses_its_task_and_is_started_again(keeping, changes) -> None:
    async with keeping(step_timeout_s=1.0) as keeper:
        first = await ready(keeper)
        running = asyncio.create_task(first.run(Run("a", "txt2img.sd", LONG, {}), lambda step: None))
        await asyncio.sleep(0)
        os.kill(first.pid, signal.SIGSTOP)
        with pytest.raises(DeviceDiedError):
            await running
        assert keeper.device is None
        assert "reported nothing for 1 s" in await ended(changes)
        second = await ready(keeper)
        assert second.pid != first.pid
        assert (await second.run(Run("b", "txt2img.sd", LONG | {"num_steps": 1}, {}), lambda step: None)).result.images
        assert keeper.problem == ""


async def test_idle_device_that_hangs_is_noticed_sooner(keeping, changes, monkeypatch) -> None:
    monkeypatch.setattr(device_keeper, "IDLE_SILENCE_S", 1.0)
    async with keeping(step_timeout_s=3600.0) as keeper:
        os.kill((await ready(keeper)).pid, signal.SIGSTOP)
        assert "reported nothing for 1 s" in await ended(changes)


async def test_device_that_reports_is_not_ended_however_long_its_task_takes(keeping, changes) -> None:
    async with keeping(step_timeout_s=1.0) as keeper:
        steps: list[object] = []
        device = await ready(keeper)
        await device.run(Run("a", "txt2img.sd", LONG | {"num_steps": 75}, {}), steps.append)
        assert (len(steps), changes) == (75, [""])


async def test_device_that_never_starts_is_ended(keeping, changes) -> None:
    async with keeping("tests.support.silent_device", load_timeout_s=0.2) as keeper:
        assert keeper.problem == "the device process starts"
        assert "reported nothing for 0.2 s; the device process starts" in await ended(changes)


async def test_device_that_dies_says_how(keeping, changes) -> None:
    async with keeping("no.such.module"):
        assert "the last device process ended with 1" in await ended(changes)


async def test_retired_device_is_not_started_again(keeping, changes) -> None:
    async with keeping() as keeper:
        device = await ready(keeper)
        await keeper.stop()
        await device.death()
        await asyncio.sleep(0.2)  # a new process would have been started after 0.1 s
        assert keeper.device is None
        assert changes == [""]


async def test_step_that_ended_two_devices_runs_plainly_on_the_next(keeping, changes, tmp_path: Path) -> None:
    fragile = Run("a", "txt2img.sd", LONG | {"text": "fragile", "num_steps": 1}, {})
    async with keeping() as keeper:
        for _ in range(2):
            with pytest.raises(DeviceDiedError):
                await (await ready(keeper)).run(fragile, lambda step: None)
        assert (await (await ready(keeper)).run(fragile, lambda step: None)).result.images
        other = Run("b", "txt2img.sd", LONG | {"text": "fragile2", "num_steps": 1}, {})
        with pytest.raises(DeviceDiedError):
            await (await ready(keeper)).run(other, lambda step: None)
    async with keeping() as keeper:  # as after a restart of the worker
        assert (await (await ready(keeper)).run(fragile, lambda step: None)).result.images
    assert StepDeaths.of_device(tmp_path, "cpu").avoided == {"fragile"}
