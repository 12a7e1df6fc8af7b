"""Batches: that one which does not fit is split, and that neighbours do not change a strict image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from torch import nn

from benchmarks.determinism import psnr
from benchmarks.engine import mixed
from benchmarks.gpu_day.images import mean_difference
from benchmarks.gpu_day.local_engine import LocalEngine, Task, open_engine
from benchmarks.gpu_day.plan import DayPlan
from benchmarks.gpu_day.result import Check, Finding
from pipelines.engine.batch import Batch
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.scheduling.batch_key import BatchKey
from pipelines.engine.scheduling.batch_size import MOST_ROWS, Capacity
from pipelines.engine.scheduling.memory_model import peak_bytes
from pipelines.engine.warmup import trajectories
from server.commands.bench.plan import MAIN
from server.commands.bench.results import Figure

FEW, MOST = 4, 32
"""Images of a batch that does not fit."""
SPARE = 1.5
"""Times the memory of one image that is left; the batch needs more than that once again."""
CROWD = 16
CLOSE = 1.0
"""Mean levels by which an image may differ that was made in another batch."""


class Wide(Capacity):
    """Always asks for as many rows as were not refused yet."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: list[int] = []

    def rows(self, key: BatchKey) -> int:
        return min(self.refused, default=MOST_ROWS + 1) - 1

    def refuse(self, key: BatchKey, rows: int) -> None:
        self.refused.append(rows)


def split(plan: DayPlan) -> Iterator[Finding]:
    """With graphs and without."""
    for title, graphs in (("with graphs", None), ("without graphs", Graphs())):
        capacity = Wide()
        with open_engine(plan.full_models, plan.device, graphs, capacity=capacity) as engine:
            step_bytes, task_bytes = _measure(plan, engine)
            left = int(SPARE * max(task_bytes, 2 * step_bytes))
            images = min(max(int(SPARE * left / step_bytes), FEW), MOST)
            tasks = {str(seed): _task(plan, seed) for seed in range(images)}
            alone = {name: engine.image(task) for name, task in tasks.items()}
            with _only(left, plan.device):
                together = engine.run(tasks)
        most = max(mean_difference(together[name], alone[name]) for name in tasks)
        refused = f"{title}: refused batches of {capacity.refused} rows, differs by {most:.2f}"
        yield Check(title=f"{title}: a batch was refused", passed=bool(capacity.refused), found=refused)
        yield Check(title=f"{title}: every image is made, and is that made alone", passed=most <= CLOSE)


@torch.inference_mode()
def _measure(plan: DayPlan, engine: LocalEngine) -> tuple[int, int]:
    """Device memory that a step of one image takes, and a whole task."""
    if not plan.device.startswith("cuda"):
        return 1, 1
    device = torch.device(plan.device)
    with engine.checkpoint(MAIN) as checkpoint:
        batch = Batch(trajectories(checkpoint, plan.side, plan.side, 1, 2))
        batch.step()
        with peak_bytes(device) as step:
            batch.step()
    with peak_bytes(device) as task:
        engine.image(_task(plan, 0))
    return step[0], task[0]


@contextmanager
def _only(left: int, device_name: str) -> Iterator[None]:
    """Within this block the device has so many bytes left. On a CPU: a denoiser takes four rows at most."""
    if not device_name.startswith("cuda"):
        with _rows_refused(2 * 2):
            yield
        return
    device = torch.device(device_name)
    torch.cuda.synchronize(device)
    torch.cuda.empty_cache()
    total = torch.cuda.mem_get_info(device)[1]
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved(device) + left) / total, device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)


@contextmanager
def _rows_refused(most: int) -> Iterator[None]:
    def refuse(net: nn.Module, inputs: Any) -> None:
        if isinstance(net, UNet2DConditionModel) and len(inputs[0]) > most:
            raise torch.OutOfMemoryError(f"{len(inputs[0])} rows")

    hook = nn.modules.module.register_module_forward_pre_hook(refuse)
    try:
        yield
    finally:
        hook.remove()


def alone_and_in_a_crowd(plan: DayPlan) -> Iterator[Finding]:
    """Sixteen different tasks, in both classes of determinism."""
    for determinism in ("strict", "throughput"):
        requests = [
            each.model_copy(update={"determinism": determinism, "model": MAIN})
            for each in mixed(plan.side)[: 4 if plan.small else CROWD]
        ]
        tasks = {
            str(index): Task("txt2img.sd", each.model_dump(exclude_unset=True)) for index, each in enumerate(requests)
        }
        with open_engine(plan.full_models, plan.device) as engine:
            together = engine.run(tasks)
            alone = {name: engine.image(task) for name, task in tasks.items()}
        same = [name for name in tasks if np.array_equal(together[name], alone[name])]
        found = f"{determinism}: {len(same)} of {len(tasks)} identical"
        if determinism == "strict":
            yield Check(title="strict images are identical", passed=len(same) == len(tasks), found=found)
            continue
        yield Check(title="throughput images are close", passed=True, found=found)
        values = [psnr(together[name], alone[name]) for name in tasks if name not in same]
        if values:
            title = "PSNR of throughput images alone and in a crowd"
            yield Figure.of("alone.psnr", f"{title}, least {min(values):.1f}", "dB", values)


def _task(plan: DayPlan, seed: int) -> Task:
    size = {"w": plan.side, "h": plan.side, "num_steps": plan.steps, "sampler": "euler"}
    return Task("txt2img.sd", {"text": f"boat {seed}", "model": MAIN, "seed": seed, **size})
