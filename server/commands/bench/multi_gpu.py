"""Several GPUs of one machine: a worker's device process for each, and whether they are in each other's way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

from pipelines.engine.events import Advanced
from server.commands.bench.plan import PAINTER, Plan
from server.commands.bench.results import Figure
from server.commands.bench.workloads import GUIDANCE, NEGATIVE, Workload, equal
from server.images.png import write_png
from server.settings import Settings
from server.worker.device_process import Device
from server.worker.messages import Run


async def lanes(plan: Plan, settings: Settings, count: int) -> AsyncIterator[Figure]:
    """Images a minute of one lane alone, then of all at once, each fed as a worker feeds its device."""
    own = settings.model_copy(update={"models_dir": plan.models, "data_dir": plan.out / "data"})
    names = [f"cuda:{place}" for place in range(count)] if plan.device.startswith("cuda") else ["cpu"] * count
    devices = [Device(own, name) for name in names]
    try:
        await asyncio.gather(*(device.ready() for device in devices))
        wishes = equal(plan, max(plan.crowd // 2, 2))
        for device in devices:
            await _paint(device, wishes[:2])
        one, all_of_them = [], []
        for _ in range(max(plan.repeats // 3, 1)):
            one.append(await _rate(devices[:1], wishes))
            all_of_them.append(await _rate(devices, wishes))
        size = f"{wishes[0].width}×{wishes[0].height}, {wishes[0].steps} steps"
        yield Figure.of("lanes.one", f"{size}: one lane", "images/min", one)
        yield Figure.of("lanes.all", f"{size}: {count} lanes", "images/min", all_of_them)
        share = sorted(100 * every / (count * alone) for alone, every in zip(one, all_of_them, strict=True))
        yield Figure.of("lanes.share", f"{count} lanes, of {count} × one", "%", share)
    finally:
        await asyncio.gather(*(device.stop() for device in devices))


async def _rate(devices: Sequence[Device], wishes: Sequence[Workload]) -> float:
    """Images a minute."""
    began = time.perf_counter()
    await asyncio.gather(*(_paint(device, wishes) for device in devices))
    return 60 * len(devices) * len(wishes) / (time.perf_counter() - began)


async def _paint(device: Device, wishes: Sequence[Workload]) -> None:
    await asyncio.gather(*(_one(device, place, wish) for place, wish in enumerate(wishes)))


async def _one(device: Device, place: int, wish: Workload) -> None:
    params = {
        "text": wish.text,
        "negative_prompt": NEGATIVE,
        "model": PAINTER,
        "seed": wish.seed,
        "num_steps": wish.steps,
        "guidance_scale": GUIDANCE,
        "w": wish.width,
        "h": wish.height,
    }
    finished = await device.run(Run(str(place), "txt2img.sd", params, {}), _ignore)
    await asyncio.to_thread(write_png, finished.result.images[0], {})


def _ignore(step: Advanced) -> None:
    """Progress is nothing to us."""
