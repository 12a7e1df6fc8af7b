"""Warming up teaches the capacity, and ends in time."""

from __future__ import annotations

from typing import Any

import torch

from models.diffusion.checkpoint import Checkpoint
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.scheduling.batch_key import BatchKey
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.warmup import warm_up
from tests.pipelines.engine.tape import Tape


class Diary(Capacity):
    """Notes what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[int, float]] = []

    def observe(self, key: BatchKey, rows: int, seconds: float) -> None:
        self.heard.append((rows, seconds))
        super().observe(key, rows, 1.0)


def test_times_ever_larger_batches_of_the_right_size(sd1: Checkpoint) -> None:
    diary = Diary()
    warm_up(sd1, diary, 64, 64, seconds=0.5)
    rows = [rows for rows, _ in diary.heard]
    assert rows[:3] == [2, 2, 2]
    assert rows == sorted(rows)
    assert all(seconds > 0 for _, seconds in diary.heard)


def test_an_inpainting_checkpoint_is_timed_too(toys: dict[str, Checkpoint]) -> None:
    diary = Diary()
    warm_up(toys["toy-sd1-inpainting"], diary, 64, 64, seconds=0.0)
    assert [rows for rows, _ in diary.heard] == [2, 2, 2]


def test_without_time_it_makes_one_batch(sd1: Checkpoint) -> None:
    diary = Diary()
    warm_up(sd1, diary, 64, 64, seconds=0.0)
    assert {rows for rows, _ in diary.heard} == {2}


def test_memory_that_runs_out_is_a_lesson_too(sd1: Checkpoint) -> None:
    class Small:
        def __getattr__(self, name: str) -> Any:
            return getattr(sd1, name)

        def predict(self, latents: torch.Tensor, *rest: Any, **more: Any) -> torch.Tensor:
            if len(latents) > 2:
                raise torch.OutOfMemoryError("full")
            return sd1.predict(latents, *rest, **more)

    capacity = Diary()
    warm_up(Small(), capacity, 64, 64, seconds=5.0)
    ((key, _),) = capacity._refused.items()
    assert capacity.rows(key) == 3


def test_what_is_captured_is_timed_as_a_replay(sd1: Checkpoint) -> None:
    """Steps before a graph is there are not what later ones will take; and the graph is there for the first task."""
    diary, graphs = Diary(), Graphs(Tape)
    warm_up(sd1, diary, 64, 64, seconds=0.0, graphs=graphs)
    assert [rows for rows, _ in diary.heard] == [2, 2, 2]
    assert graphs.captured == 1
    assert graphs.bytes > 0
