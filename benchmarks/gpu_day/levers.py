"""What else may make images faster: performance options, attention kernels, compiled passes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from statistics import median
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.gpu_day.local_engine import LocalEngine, Task, capture_for, open_engine, synchronize
from benchmarks.gpu_day.plan import DayPlan
from benchmarks.gpu_day.result import Check, Finding, SkippedError
from benchmarks.levers import OPTIONS
from models.catalog.catalog import UnknownModelError
from models.diffusion.checkpoint import Checkpoint
from pipelines.engine.batch import Batch
from pipelines.engine.execution.compile_policy import Compilation
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.warmup import trajectories
from server.commands.bench.plan import MAIN
from server.commands.bench.results import BenchError, Figure

ROUNDS = 5
STEPS = 20
BACKENDS = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.MATH)


def options(plan: DayPlan) -> Iterator[Finding]:
    """Times of one image with each option, in turns with none."""
    steps = plan.steps if plan.small else STEPS
    size = {"w": plan.side, "h": plan.side, "num_steps": steps, "sampler": "euler"}
    base: dict[str, Any] = {"text": "a boat", "model": MAIN, "seed": 1, "guidance_scale": 7.5, **size}
    with open_engine(plan.full_models, plan.device) as engine:
        for name, changed in OPTIONS.items():
            name = name.replace("`", "")
            plain, faster = Task("txt2img.sd", base), Task("txt2img.sd", base | changed)
            try:
                times = _in_turns(plan, engine, {"none": plain, "option": faster})
            except (BenchError, UnknownModelError) as error:
                why = str(error).partition("\n")[0]
                yield Figure.missing(f"levers.{name}", f"with {name}", f"not measured: {why}")
                continue
            without, with_option = median(times["none"]), median(times["option"])
            yield Figure.of(f"levers.{name}.s", f"one image with {name}", "s", times["option"])
            yield Figure(name=f"levers.{name}", title=f"gain of {name}", unit="×", value=without / with_option)


def _in_turns(plan: DayPlan, engine: LocalEngine, tasks: Mapping[str, Task]) -> dict[str, list[float]]:
    """Seconds of each task, by its name."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for round_ in range(2 if plan.small else ROUNDS + 2):
        for name, task in tasks.items():
            seconds = _timed(plan, lambda task=task: engine.image(task))  # type: ignore[misc]
            if round_ >= (1 if plan.small else 2):  # before, steps are captured
                times[name].append(seconds)
    return times


def _timed(plan: DayPlan, work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    synchronize(plan.device)
    return time.perf_counter() - began


def attention(plan: DayPlan) -> Iterator[Finding]:
    """An eager step with each kernel of scaled dot product attention that this device has."""
    with open_engine(plan.full_models, plan.device) as engine, engine.checkpoint(MAIN) as checkpoint:
        for backend in BACKENDS:
            name, title = backend.name.lower(), f"an eager step with {backend.name}"
            try:
                with sdpa_kernel(backend):
                    times = _step_times(plan, checkpoint, Graphs())
            except RuntimeError as error:
                why = str(error).partition("\n")[0]
                yield Figure.missing(f"attention.{name}", title, f"not on this device: {why}")
                continue
            yield Figure.of(f"attention.{name}", title, "ms", times)


def packages(plan: DayPlan) -> Iterator[Finding]:
    """A step by the package that `hua compile` writes, inside a captured graph, against the captured step alone."""
    if not plan.device.startswith("cuda"):
        raise SkippedError("on a CPU a step takes minutes to compile, and is captured by none")
    folder = plan.models / "packages"
    environment = os.environ | {
        "HUA_MODELS_DIR": str(plan.full_models),
        "HUA_COMPILE": str(folder),
        "HUA_DEVICE": plan.device,
    }
    command = [sys.executable, "-m", "server", "compile", MAIN]
    done = subprocess.run(command, env=environment, check=False)
    yield Check(title="`hua compile` ends well", passed=done.returncode == 0, found=f"exit code {done.returncode}")
    capture = capture_for(torch.device(plan.device))
    with open_engine(plan.full_models, plan.device) as engine, engine.checkpoint(MAIN) as checkpoint:
        plain = _step_times(plan, checkpoint, Graphs(capture))
        compiled = _step_times(plan, checkpoint, Graphs(capture, compilation=Compilation(folder)))
    yield Figure.of("packages.plain", "a captured step of one image", "ms", plain)
    yield Figure.of("packages.compiled", "the same, compiled", "ms", compiled)
    yield Figure(name="packages.gain", title="gain of the package", unit="×", value=median(plain) / median(compiled))


@torch.inference_mode()
def _step_times(plan: DayPlan, checkpoint: Checkpoint, graphs: Graphs) -> list[float]:
    """Milliseconds of each step of one guided image, once it runs in its final form."""
    rounds = 2 if plan.small else STEPS
    warm_ups = graphs.warm_up_steps + 2
    batch = Batch(trajectories(checkpoint, plan.side, plan.side, 1, warm_ups + rounds), graphs)
    times = [1000 * _timed(plan, batch.step) for _ in range(warm_ups + rounds)]
    return times[warm_ups:]
