"""Several GPUs of one machine: one device process each, and whether they slow each other down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence

from pipelines.engine.events import Advanced
from server.commands.bench.plan import MAIN, Plan
from server.commands.bench.results import Figure
from server.commands.bench.workloads import GUIDANCE, NEGATIVE, Workload, equal_workloads
from server.images.png import write_png
from server.settings import Settings
from server.worker.device_process import Device
from server.worker.messages import Run


async def measure_lanes(plan: Plan, settings: Settings, count: int) -> AsyncIterator[Figure]:
    """Images per minute of one lane alone, and of all at once. Each lane runs tasks as a worker does."""
    own = settings.model_copy(update={"models_dir": plan.models, "data_dir": plan.out / "data"})
    names = [f"cuda:{index}" for index in range(count)] if plan.device.startswith("cuda") else ["cpu"] * count
    devices = [Device(own, name) for name in names]
    try:
        await asyncio.gather(*(device.ready() for device in devices))
        workloads = equal_workloads(plan, max(plan.crowd // 2, 2))
        for device in devices:
            await _generate_all(device, workloads[:2])
        one, all_lanes = [], []
        for _ in range(max(plan.repeats // 3, 1)):
            one.append(await _rate(devices[:1], workloads))
            all_lanes.append(await _rate(devices, workloads))
        size = f"{workloads[0].width}×{workloads[0].height}, {workloads[0].steps} steps"
        yield Figure.of("lanes.one", f"{size}: one lane", "images/min", one)
        yield Figure.of("lanes.all", f"{size}: {count} lanes", "images/min", all_lanes)
        scaling = sorted(100 * rate / (count * alone) for alone, rate in zip(one, all_lanes, strict=True))
        yield Figure.of("lanes.share", f"{count} lanes, of {count} × one", "%", scaling)
    finally:
        await asyncio.gather(*(device.stop() for device in devices))


async def _rate(devices: Sequence[Device], workloads: Sequence[Workload]) -> float:
    """Images per minute."""
    began = time.perf_counter()
    await asyncio.gather(*(_generate_all(device, workloads) for device in devices))
    return 60 * len(devices) * len(workloads) / (time.perf_counter() - began)


async def _generate_all(device: Device, workloads: Sequence[Workload]) -> None:
    await asyncio.gather(*(_generate(device, index, workload) for index, workload in enumerate(workloads)))


async def _generate(device: Device, index: int, workload: Workload) -> None:
    params = {
        "text": workload.text,
        "negative_prompt": NEGATIVE,
        "model": MAIN,
        "seed": workload.seed,
        "num_steps": workload.steps,
        "guidance_scale": GUIDANCE,
        "w": workload.width,
        "h": workload.height,
    }
    finished = await device.run(Run(str(index), "txt2img.sd", params, {}), _ignore)
    await asyncio.to_thread(write_png, finished.result.images[0], {})


def _ignore(step: Advanced) -> None:
    """The benchmark does not use the progress."""
