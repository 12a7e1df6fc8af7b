"""Measures the capacity before the first task arrives."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace

import torch

from models.conditioning import Prompts
from models.diffusion.checkpoint import Checkpoint
from models.noise import SeededNoise
from pipelines.engine.batch import Batch
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.scheduling.memory_model import Memory
from pipelines.engine.trajectory import Trajectory
from pipelines.pipeline import Denoise

STEPS = 3
PROBE = 4
"""How many times smaller, in each direction, the image is that tells whether measuring takes too long."""


@torch.inference_mode()
def warm_up(
    checkpoint: Checkpoint,
    capacity: Capacity,
    width: int = 512,
    height: int = 512,
    seconds: float = 2.0,
    longest_step_s: float = math.inf,
    memory: Memory | None = None,
    graphs: Graphs | None = None,
    on_progress: Callable[[], None] = lambda: None,
) -> None:
    """Times steps of 2, 4, 8… rows until larger batches do not pay or do not fit, or `seconds` are over.

    checkpoint: resident on the device.
    capacity: observes the time of each step.
    width, height: of the images, pixels.
    seconds: exceeded only by the very first steps, which also prepare the device.
    longest_step_s: a CPU whose steps seem to take longer is not measured, for its first task would wait for several.
    memory: learns what the first steps take.
    graphs: captures the CUDA graphs of the batches.
    on_progress: called before each size of batch.
    """
    deadline, memory, graphs = time.perf_counter() + seconds, memory or Memory(), graphs or Graphs()
    on_progress()
    if checkpoint.device.type == "cpu" and _estimate_step_s(checkpoint, width, height) > longest_step_s:
        return
    images = 1
    while True:
        on_progress()
        batch = Batch(trajectories(checkpoint, width, height, images, STEPS + graphs.warm_up_steps), graphs)
        try:
            _prepare(batch, graphs.warm_up_steps, memory, checkpoint.device)
            slowest = max(_timed_steps(batch, capacity, memory, checkpoint.device))
        except torch.OutOfMemoryError:
            capacity.refuse(batch.key, batch.rows)
            return
        images *= 2
        late = time.perf_counter() + 2 * STEPS * slowest > deadline
        if late or capacity.rows(batch.key) < 2 * images or not memory.fits(batch.key, 2 * images):
            return


def trajectories(checkpoint: Checkpoint, width: int, height: int, images: int, steps: int) -> list[Trajectory]:
    """Guided images of an empty prompt."""
    positive, negative = checkpoint.encode_prompt("", "", clip_skip=-1, width=width, height=height)
    prompts = (Prompts((positive,), negative),)
    denoise = Denoise(checkpoint, prompts, SeededNoise(0), width, height, steps=steps, sampler="euler")
    if more := checkpoint.in_channels - checkpoint.channels:
        zeros = torch.zeros(1, more, height // checkpoint.vae_scale_factor, width // checkpoint.vae_scale_factor)
        denoise = replace(denoise, inpainting_inputs=zeros)
    return [Trajectory(replace(denoise, noise=SeededNoise(seed))) for seed in range(images)]


def _estimate_step_s(checkpoint: Checkpoint, width: int, height: int) -> float:
    """Seconds of a step of one image, in proportion to those of the second step of a small one. Only for the CPU:
    elsewhere the time of a small step is that of its launch."""
    batch = Batch(trajectories(checkpoint, width // PROBE, height // PROBE, 1, STEPS))
    batch.step()
    started = time.perf_counter()
    batch.step()
    return PROBE**2 * (time.perf_counter() - started)


def _prepare(batch: Batch, steps: int, memory: Memory, device: torch.device) -> None:
    """The steps that a CUDA graph needs before it can be captured."""
    for _ in range(steps):
        with memory.watched(batch.key, batch.rows, device):
            batch.step()


def _timed_steps(batch: Batch, capacity: Capacity, memory: Memory, device: torch.device) -> list[float]:
    """Seconds of each step but the first; `capacity` observes all of them."""
    times = []
    for _ in range(STEPS):
        started = time.perf_counter()
        with memory.watched(batch.key, batch.rows, device):
            batch.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - started)
        capacity.observe(batch.key, batch.rows, times[-1])
    return times[1:]
