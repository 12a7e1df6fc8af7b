"""The process that owns the device: killed in the middle of a task, and parked, it makes the same image again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import numpy as np

from benchmarks.gpu_day.plan import DayPlan
from benchmarks.gpu_day.result import Check, Finding
from pipelines.engine.events import Advanced, Finished
from server.commands.bench.plan import MAIN
from server.settings import Settings
from server.worker.device_process import Device, DeviceDiedError, TaskParkedError
from server.worker.messages import Run

STOP_AFTER = 2
"""Steps before a task is killed or parked."""


def killed_and_parked(plan: DayPlan) -> Iterator[Finding]:
    images, died, parked = asyncio.run(_three_times(plan))
    first, again, continued = images
    yield Check(title="the killed process is noticed", passed=died)
    yield Check(title="a new process makes the same image", passed=np.array_equal(first, again))
    yield Check(title="the task was parked", passed=parked)
    yield Check(title="a new process continues the parked image", passed=np.array_equal(first, continued))


async def _three_times(plan: DayPlan) -> tuple[list[np.ndarray], bool, bool]:
    """The image of an undisturbed task, of one that is run again after a kill, and of one that was parked."""
    settings = Settings.load(models_dir=plan.full_models, data_dir=plan.results / "data", warm_up=False)
    images: list[np.ndarray] = []

    device = Device(settings, plan.device)
    await device.ready()
    images.append(_image(await device.run(_task(plan), _ignore)))
    died = await _is_killed(device, plan)

    device = Device(settings, plan.device)
    await device.ready()
    images.append(_image(await device.run(_task(plan), _ignore)))
    state = await _parked(device, plan)
    await device.stop()

    device = Device(settings, plan.device)
    await device.ready()
    images.append(_image(await device.run(_task(plan, state), _ignore)))
    await device.stop()
    return images, died, bool(state)


async def _is_killed(device: Device, plan: DayPlan) -> bool:
    def kill(event: Advanced) -> None:
        if event.step >= STOP_AFTER:
            device.kill()

    try:
        await device.run(_task(plan), kill)
    except DeviceDiedError:
        return True
    return False


async def _parked(device: Device, plan: DayPlan) -> bytes:
    def park(event: Advanced) -> None:
        if event.step == STOP_AFTER:
            device.park(event.attempt_id)

    try:
        await device.run(_task(plan), park)
    except TaskParkedError as parked:
        return parked.state
    return b""


def _task(plan: DayPlan, state: bytes = b"") -> Run:
    params = {"text": "a boat", "model": MAIN, "seed": 3, "w": plan.side, "h": plan.side, "num_steps": 20}
    return Run("attempt", "txt2img.sd", params, {}, state)


def _image(finished: Finished) -> np.ndarray:
    return finished.result.images[0]


def _ignore(event: Advanced) -> None:
    """Progress does not matter."""
