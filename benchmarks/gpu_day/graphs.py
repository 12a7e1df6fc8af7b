"""Captured graphs: that they compute what eager steps do, survive a switch of models, and are done without where they
cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.gpu_day import local_engine
from benchmarks.gpu_day.faults import refusing
from benchmarks.gpu_day.local_engine import Task, eager, open_engine
from benchmarks.gpu_day.plan import SHIFTED, DayPlan
from benchmarks.gpu_day.result import Check, Finding, SkippedError
from models.device_faults import CAPTURE_ERRORS
from models.diffusion.checkpoint import Checkpoint
from pipelines.engine.execution.cuda_graphs import Capture, Graph, Graphs, StepResult
from pipelines.engine.warmup import trajectories
from server.commands.bench.plan import LARGE, MAIN
from tests.support.trajectories import finish_all

TOY_SIDE = 64
STEPS = 6
"""More than are needed before a step is captured."""


def replay(plan: DayPlan) -> Iterator[Finding]:
    yield from _replays(plan.toy_models, plan.device, MAIN, TOY_SIDE, (1, 2, 3, 4))
    yield from _replays(plan.toy_models, plan.device, LARGE, TOY_SIDE, (1, 2))


def replay_full(plan: DayPlan) -> Iterator[Finding]:
    if plan.small:
        raise SkippedError("a small run has only toys")
    yield from _replays(plan.full_models, plan.device, MAIN, 512, (1, 2, 8))
    yield from _replays(plan.full_models, plan.device, LARGE, 1024, (1, 2))


def _replays(models: Path, device: str, name: str, side: int, counts: tuple[int, ...]) -> Iterator[Finding]:
    """Batches of so many guided images."""
    with open_engine(models, device) as opened, opened.checkpoint(name) as checkpoint:
        for images in counts:
            graphs = Graphs(local_engine.capture_for(torch.device(device)))
            found = finish(graphs, checkpoint, side, images)
            expected = finish(Graphs(eager), checkpoint, side, images)
            title = f"{name}, {images} of {side}×{side}"
            yield Check(title=f"{title}: captured", passed=graphs.captured > 0)
            finite = bool(found.isfinite().all())
            difference = float((found - expected).abs().max())
            same = torch.equal(found, expected)
            yield Check(
                title=f"{title}: replay equals eager, bit for bit",
                passed=same and finite,
                found="" if same else f"{title} differs by {difference:.3g}",
            )


def finish(graphs: Graphs, checkpoint: Checkpoint, side: int, images: int) -> Tensor:
    """The clean latents of a batch."""
    return torch.cat(finish_all(graphs, *trajectories(checkpoint, side, side, images, STEPS)))


def fallback(plan: DayPlan) -> Iterator[Finding]:
    """With each error of capture as CUDA reports it, and on CUDA with a step that truly cannot be captured."""
    captures = {f"error {code}": refusing(code) for code in sorted(CAPTURE_ERRORS)}
    if plan.device.startswith("cuda"):
        captures["a step that waits for the device"] = _waiting(local_engine.capture_for(torch.device(plan.device)))
    with open_engine(plan.toy_models, plan.device) as opened, opened.checkpoint(MAIN) as checkpoint:
        expected = finish(Graphs(eager), checkpoint, TOY_SIDE, 1)
        for title, capture in captures.items():
            graphs = Graphs(capture)
            try:
                found = finish(graphs, checkpoint, TOY_SIDE, 1)
            except Exception as error:
                raised = f"{title} raises {type(error).__name__}"
                yield Check(title=f"{title}: runs eagerly", passed=False, found=raised)
                continue
            right = torch.equal(found, expected) and not graphs.captured
            yield Check(title=f"{title}: runs eagerly", passed=right)
        after = Graphs(local_engine.capture_for(torch.device(plan.device)))
        right = torch.equal(finish(after, checkpoint, TOY_SIDE, 1), expected) and after.captured > 0
        yield Check(title="the device captures afterwards", passed=right)


def _waiting(capture: Capture) -> Capture:
    """Captures a step that waits for the device, which no graph may hold."""

    def attempt(run: Callable[[], StepResult]) -> Graph:
        def wait_and_run() -> StepResult:
            torch.cuda.synchronize()
            return run()

        return capture(wait_and_run)

    return attempt


def switch(plan: DayPlan) -> Iterator[Finding]:
    """Two models of one architecture, of which one at a time is on the device."""
    names = (MAIN, SHIFTED)
    with open_engine(plan.full_models, plan.device) as opened:
        expected = [opened.image(_task(plan, name)) for name in names]
        largest = max(opened.registry.bytes // 2, 1)
    with open_engine(plan.full_models, plan.device, device_bytes=largest * 3 // 2) as opened:
        for name in names:
            opened.image(_task(plan, name))
        captured = opened.graphs.captured
        found = [opened.image(_task(plan, name)) for name in names * 2]
        again, evicted = opened.graphs.captured - captured, sum(opened.registry.evictions.values())
    same = sum(np.array_equal(one, other) for one, other in zip(found, expected * 2, strict=True))
    yield Check(title="the models differ", passed=not np.array_equal(expected[0], expected[1]))
    yield Check(title="models were switched", passed=evicted >= len(found), found=f"{evicted} evictions")
    yield Check(title="nothing is captured again", passed=captured > 0 and again == 0, found=f"{again} recaptured")
    yield Check(title="images are those of the models alone", passed=same == len(found), found=f"{same} of 4 equal")


def _task(plan: DayPlan, model: str) -> Task:
    size = {"w": plan.side, "h": plan.side, "num_steps": max(plan.steps, STEPS), "sampler": "euler"}
    return Task("txt2img.sd", {"text": "a lighthouse", "model": model, "seed": 1, **size})
