"""Kept steps and their graphs, captured on tape: what is padded, captured, replayed for whom, and forgotten."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from models import catalog
from models.adapters.lora import Lora
from models.adapters.lora_merge import Adapter
from models.diffusion.checkpoint import Checkpoint
from models.diffusion.latent_diffusion import LatentDiffusion
from models.registry import loaders
from pipelines.engine.batch import Batch
from pipelines.engine.execution.cuda_graphs import BUCKETS, WARM_UP_STEPS, Graphs, StepResult
from pipelines.engine.trajectory import Trajectory
from tests.pipelines.engine.tape import Tape
from tests.support.nets import unet_of
from tests.support.trajectories import UncapturedGraph, close, finish_all, short_trajectory

CPU = torch.device("cpu")


def graphs_on_tape(**limits: int) -> Graphs:
    return Graphs(Tape, **limits)


def same(found: Trajectory, expected: Trajectory) -> bool:
    return close(found.clean, finish_all(Graphs(), expected)[0])


@torch.inference_mode()
def worn_in(graphs: Graphs, checkpoint: Checkpoint) -> None:
    """Takes steps of one guided image until they are captured."""
    for seed in range(WARM_UP_STEPS):
        Batch([short_trajectory(checkpoint, 90 + seed)], graphs).step()


@torch.inference_mode()
def test_replays_equal_uncaptured_steps(sd1: Checkpoint) -> None:
    """Four images share one graph; one leaves early, which leaves unused rows. Each has its own noise."""
    graphs = graphs_on_tape()
    finish_all(graphs, *(short_trajectory(sd1, seed) for seed in range(4)))
    assert graphs.captured == 1
    four = [short_trajectory(sd1, seed, guided=seed != 2, sampler="heun" if seed else "euler_a") for seed in range(4)]
    while pending := [each for each in four if not each.done]:
        Batch(pending, graphs).step()
    assert graphs.captured >= 1
    for seed, found in enumerate(four):
        expected = short_trajectory(sd1, seed, guided=seed != 2, sampler="heun" if seed else "euler_a")
        assert same(found, expected), seed


@torch.inference_mode()
def test_next_replay_does_not_overwrite_results(sd1: Checkpoint) -> None:
    graphs = graphs_on_tape()
    worn_in(graphs, sd1)
    one, other = short_trajectory(sd1, 1), short_trajectory(sd1, 2)
    Batch([one], graphs).step()
    before = one.clean.clone()
    Batch([other], graphs).step()
    assert graphs.captured == 1
    assert torch.equal(one.clean, before)


@torch.inference_mode()
def test_switch_of_loras_captures_nothing(sd1: Checkpoint, loras: dict[str, Lora]) -> None:
    graphs, worn = graphs_on_tape(), sd1.adapted([Adapter(loras["toy-lora"], 0.8)])
    worn_in(graphs, sd1)
    plain, inked = short_trajectory(sd1, 1), short_trajectory(worn, 1)
    while not plain.done:
        Batch([plain], graphs).step()
        Batch([inked], graphs).step()
    assert graphs.captured == 1
    assert same(plain, short_trajectory(sd1, 1))
    assert same(inked, short_trajectory(worn, 1))


def test_switch_of_models_captures_nothing(models_dir: Path) -> None:
    entry = catalog.read(models_dir).find("toy-sd1")
    first, second = (loaders.load(entry, CPU, torch.float32) for _ in range(2))
    assert isinstance(first, LatentDiffusion)
    assert isinstance(second, LatentDiffusion)
    for weight in unet_of(second).parameters():
        weight.data.mul_(1.05)
    expected = finish_all(Graphs(), short_trajectory(second, 1))[0]  # type: ignore[arg-type]
    graphs = graphs_on_tape()
    worn_in(graphs, first)  # type: ignore[arg-type]
    second.to(CPU, first.leave(for_good=False))
    found = short_trajectory(second, 1)  # type: ignore[arg-type]
    assert close(finish_all(graphs, found)[0], expected)
    assert graphs.captured == 1
    assert not close(finish_all(Graphs(), short_trajectory(first, 1))[0], expected)  # type: ignore[arg-type]


@torch.inference_mode()
def test_steps_over_freed_weights_are_removed(models_dir: Path, sd1: Checkpoint) -> None:
    graphs = graphs_on_tape()
    entry = catalog.read(models_dir).find("toy-sd1")
    other = loaders.load(entry, CPU, torch.float32)
    worn_in(graphs, other)  # type: ignore[arg-type]
    del other
    gc.collect()
    Batch([short_trajectory(sd1, 1)], graphs).step()
    assert [cached.graph for cached in graphs.steps] == [None]


@torch.inference_mode()
def test_rows_are_padded_to_buckets(sd1: Checkpoint) -> None:
    graphs = Graphs(UncapturedGraph)
    for images in (1, 2, 3, 4):
        Batch([short_trajectory(sd1, seed, guided=images != 1) for seed in range(images)], graphs).step()
    assert [cached.step.rows for cached in graphs.steps] == [1, 4, 6, 8]
    assert all(min(bucket for bucket in BUCKETS if bucket >= rows) < 1.5 * rows for rows in range(1, BUCKETS[-1]))


@torch.inference_mode()
def test_least_recently_used_steps_are_evicted(sd1: Checkpoint) -> None:
    graphs = Graphs(UncapturedGraph, most_bytes=6 << 20)
    for images in (1, 2, 3, 1):
        for _ in range(WARM_UP_STEPS):
            Batch([short_trajectory(sd1, seed) for seed in range(images)], graphs).step()
    assert [cached.step.rows for cached in graphs.steps] == [6, 2]
    assert graphs.captured == 4


@torch.inference_mode()
def test_uncapturable_step_runs_uncaptured(sd1: Checkpoint, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(run: Callable[[], StepResult]) -> UncapturedGraph:
        raise RuntimeError("operation not permitted when stream is capturing")

    graphs, found = Graphs(refuse), short_trajectory(sd1, 1)
    finish_all(graphs, found)
    assert same(found, short_trajectory(sd1, 1))
    assert graphs.captured == 0
    assert caplog.text.count("runs without a CUDA graph") == 1
