"""The parent's end of a real device process."""

import asyncio
import os
import shutil
import signal
import uuid
import weakref
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from models import catalog
from models.catalog.catalog import Catalog
from pipelines.engine.events import Advanced
from server.settings import Settings
from server.worker.device_process import Device, DeviceDiedError, DeviceGoneError, TaskFailedError
from server.worker.messages import DeviceStats, Run

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = {"text": "a house", "w": 512, "h": 512, "num_steps": 100, "seed": 1}
STATS: list[DeviceStats] = []
FISH = {
    **{"text": "an orange fish on the grass", "w": 128, "h": 128},
    **{"num_steps": 12, "guidance_scale": 5, "seed": 1},
}
SHORT = {"text": "a house", "w": 64, "h": 64, "num_steps": 2, "seed": 1}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def device(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> AsyncIterator[Device]:
    """One for all tests, with an audit; the last test kills it."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("device"), models_dir=models_dir, warm_up=False, audit="toy-safety"
    )
    device = Device(settings, "cpu", on_stats=STATS.append)
    await device.ready()
    yield device
    await device.stop()


async def test_run_returns_pixels_and_reports_progress(device: Device) -> None:
    steps: list[Advanced] = []
    finished = await device.run(Run("first", "txt2img.sd", SHORT, {}), steps.append)
    assert finished.result.images[0].shape == (64, 64, 3)
    assert finished.result.images[0].dtype == np.uint8
    assert [(step.step, step.steps) for step in steps] == [(1, 2), (2, 2)]
    assert list(finished.parts) == ["prepare", "denoise", "decode"]
    assert list(finished.seconds) == ["load", "run", "audit"]
    assert sum(finished.parts.values()) == pytest.approx(finished.seconds["run"], rel=0.1, abs=0.01)


async def test_device_sends_its_stats_every_second(device: Device) -> None:
    messages, count = device.messages, len(STATS)
    while not (len(STATS) > count and STATS[-1].steps == {2: 2}):  # two steps of a guided image have been taken
        await asyncio.sleep(0.05)
    stats = STATS[-1]
    assert (stats.loads, stats.evictions) == ({"disk": 2}, {})
    assert stats.busy_s > 0
    assert 0 < stats.memory["models"] < stats.memory["used"] < stats.memory["total"]
    assert device.messages > messages


async def test_unsafe_image_does_not_leave_the_device(device: Device) -> None:
    finished = await device.run(Run("fish", "txt2img.sd", FISH, {}), lambda _: None)
    assert len(finished.result.reasons) == 1
    assert finished.result.reasons[0].startswith("unsafe/")
    assert not finished.result.images[0].any()


async def test_failed_run_has_a_code_and_the_device_goes_on(device: Device) -> None:
    source = {"url": np.zeros((64, 64), np.uint8)}
    with pytest.raises(TaskFailedError) as caught:
        await device.run(Run("broken", "img2img.sd", {"text": "a", "url": "x", "seed": 1}, source), lambda _: None)
    assert caught.value.code
    assert (await device.run(Run("next", "txt2img.sd", SHORT, {}), lambda _: None)).result.images


async def paint(device: Device, **params: object) -> np.ndarray:
    params = {**SHORT, "guidance_scale": 1, **params}
    return (await device.run(Run(uuid.uuid4().hex, "txt2img.sd", params, {}), lambda _: None)).result.images[0]


async def test_device_follows_the_catalog(device: Device, models_dir: Path, tmp_path: Path) -> None:
    """A LoRA is dropped into the folder, replaced by another of the same name, and removed."""
    toys, file = catalog.read(models_dir), tmp_path / "pen.safetensors"
    expected = [await paint(device, lora_scales={name: 1.0}) for name in ("toy-lora", "toy-neon")]
    for name, image in zip(("toy-lora", "toy-neon"), expected, strict=True):
        shutil.copyfile(models_dir / f"{name}.safetensors", file)
        device.use_catalog(Catalog([*toys, *catalog.read(tmp_path)]))
        assert np.array_equal(await paint(device, lora_scales={"pen": 1.0}), image)
    device.use_catalog(toys)
    with pytest.raises(TaskFailedError, match="there is no LoRA 'pen'"):
        await paint(device, lora_scales={"pen": 1.0})


async def test_aborted_run_ends_at_a_step_boundary(device: Device) -> None:
    started = asyncio.Event()
    run = asyncio.create_task(device.run(Run("long", "txt2img.sd", LONG, {}), lambda _: started.set()))
    await started.wait()
    device.abort("long")
    with pytest.raises(TaskFailedError) as caught:
        await run
    assert caught.value.code == "aborted"


async def test_ready_raises_if_the_process_cannot_start(tmp_path: Path) -> None:
    device = Device(Settings(data_dir=tmp_path, models_dir=tmp_path), "cpu", child="no.such.module")
    with pytest.raises(DeviceDiedError, match="before it was ready"):
        await device.ready()
    await device.stop()


async def test_images_are_not_kept_once_they_are_sent(device: Device) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    kept = weakref.ref(pixels)
    message = Run("photo", "txt2img.sd", LONG, {"url": pixels})
    running = asyncio.create_task(device.run(message, lambda _: None))
    del message, pixels
    while not device.busy:
        await asyncio.sleep(0)
    while kept() is not None and not running.done():
        await asyncio.sleep(0.01)
    assert not running.done()
    device.abort("photo")
    with pytest.raises(TaskFailedError):
        await running


async def test_run_raises_when_the_process_dies(device: Device) -> None:
    started = asyncio.Event()
    run = asyncio.create_task(device.run(Run("long", "txt2img.sd", LONG, {}), lambda _: started.set()))
    await started.wait()
    os.kill(device.pid, signal.SIGKILL)
    with pytest.raises(DeviceDiedError):
        await run
    assert await device.death() == -signal.SIGKILL
    with pytest.raises(DeviceGoneError):
        await device.run(Run("after", "txt2img.sd", SHORT, {}), lambda _: None)
