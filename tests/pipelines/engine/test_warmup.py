"""Warming up measures the capacity, and ends in time."""

from __future__ import annotations

from typing import Any

import torch

from models.diffusion.checkpoint import Checkpoint
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.scheduling.batch_key import BatchKey
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.warmup import warm_up
from tests.pipelines.engine.tape import Tape


class RecordingCapacity(Capacity):
    def __init__(self) -> None:
        super().__init__()
        self.observed: list[tuple[int, float]] = []

    def observe(self, key: BatchKey, rows: int, seconds: float) -> None:
        self.observed.append((rows, seconds))
        super().observe(key, rows, 1.0)


def test_warm_up_times_growing_batches(sd1: Checkpoint) -> None:
    capacity = RecordingCapacity()
    warm_up(sd1, capacity, 64, 64, seconds=0.5)
    rows = [rows for rows, _ in capacity.observed]
    assert rows[:3] == [2, 2, 2]
    assert rows == sorted(rows)
    assert all(seconds > 0 for _, seconds in capacity.observed)


def test_warm_up_times_an_inpainting_checkpoint(toys: dict[str, Checkpoint]) -> None:
    capacity = RecordingCapacity()
    warm_up(toys["toy-sd1-inpainting"], capacity, 64, 64, seconds=0.0)
    assert [rows for rows, _ in capacity.observed] == [2, 2, 2]


def test_warm_up_without_time_takes_one_batch(sd1: Checkpoint) -> None:
    capacity = RecordingCapacity()
    warm_up(sd1, capacity, 64, 64, seconds=0.0)
    assert {rows for rows, _ in capacity.observed} == {2}


def test_warm_up_leaves_a_slow_device_to_its_tasks(sd1: Checkpoint) -> None:
    capacity = RecordingCapacity()
    warm_up(sd1, capacity, 256, 256, longest_step_s=1e-9)
    assert not capacity.observed
    warm_up(sd1, capacity, 256, 256, seconds=0.0, longest_step_s=1e9)
    assert capacity.observed


def test_warm_up_refuses_a_size_that_runs_out_of_memory(sd1: Checkpoint) -> None:
    class Small:
        def __getattr__(self, name: str) -> Any:
            return getattr(sd1, name)

        def predict(self, latents: torch.Tensor, *rest: Any, **more: Any) -> torch.Tensor:
            if len(latents) > 2:
                raise torch.OutOfMemoryError("full")
            return sd1.predict(latents, *rest, **more)

    capacity = RecordingCapacity()
    warm_up(Small(), capacity, 64, 64, seconds=5.0)
    ((key, _),) = capacity._refused.items()  # private: the key is made inside, from the nets' shapes
    assert capacity.rows(key) == 3


def test_warm_up_times_replays_of_captured_graphs(sd1: Checkpoint) -> None:
    """Steps before the capture are slower than replays. The first task then finds the graph captured."""
    capacity, graphs = RecordingCapacity(), Graphs(Tape)
    warm_up(sd1, capacity, 64, 64, seconds=0.0, graphs=graphs)
    assert [rows for rows, _ in capacity.observed] == [2, 2, 2]
    assert graphs.captured == 1
    assert graphs.bytes > 0
