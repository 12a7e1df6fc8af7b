"""The memory model: what it predicts from the step of one image, and what larger batches take."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks.gpu_day.local_engine import open_engine
from benchmarks.gpu_day.plan import DayPlan
from benchmarks.gpu_day.result import Check, Finding
from pipelines.engine.batch import Batch
from pipelines.engine.scheduling.memory_model import Memory, peak_bytes
from pipelines.engine.warmup import trajectories
from server.commands.bench.plan import MAIN
from server.commands.bench.results import Figure

IMAGES = (1, 2, 4, 8)
STEPS = 2
MIB = 1 << 20


@torch.inference_mode()
def prediction(plan: DayPlan) -> Iterator[Finding]:
    """A prediction that is too low would let a batch run out of memory."""
    memory, device = Memory(), torch.device(plan.device)
    with open_engine(plan.full_models, plan.device) as engine, engine.checkpoint(MAIN) as checkpoint:
        for images in IMAGES[:2] if plan.small else IMAGES:
            batch = Batch(trajectories(checkpoint, plan.side, plan.side, images, STEPS))
            batch.step()  # which also prepares the device
            with peak_bytes(device) as peak:
                batch.step()
            expected = memory.expected(batch.key, batch.rows)
            title = f"a step of {images} of {plan.side}×{plan.side}"
            yield Figure(name=f"memory.{images}", title=f"{title}: peak", unit="MiB", value=peak[0] / MIB)
            if expected is None:
                memory.observe(batch.key, batch.rows, peak[0])
                continue
            yield Figure(
                name=f"memory.{images}.expected", title=f"{title}: predicted", unit="MiB", value=expected / MIB
            )
            found = f"{images}: {expected / peak[0]:.2f} of the peak"
            yield Check(title=f"{title}: predicted at least its peak", passed=expected >= peak[0], found=found)
