"""An engine as a worker has it, with the models of a folder, that runs tasks to their end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

import pipelines
from models import catalog
from models.diffusion.checkpoint import Checkpoint
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelRef
from models.registry.loaders import dtype_for
from models.registry.registry import Registry
from pipelines.engine.engine import Engine
from pipelines.engine.events import Failed, Finished
from pipelines.engine.execution.cuda_graphs import Capture, Graph, Graphs, StepResult
from pipelines.engine.execution.graph_capture import capture_on
from pipelines.engine.scheduling.batch_size import Capacity
from server.commands.bench.results import BenchError
from tests.pipelines.engine.tape import Tape

ENOUGH = 1 << 40
LOAD_S = 300.0
PAUSE_S = 0.001
ADDRESS = "https://images.example/a.png"
"""Of all input images; the engine uses those of the task."""


@dataclass(frozen=True, slots=True)
class Task:
    type: str
    params: Mapping[str, Any]
    images: Mapping[str, np.ndarray] = field(default_factory=dict)
    """By the name of their parameter, uint8 [height, width, 3]."""


class LocalEngine:
    def __init__(
        self,
        models: Path,
        device: torch.device,
        graphs: Graphs | None = None,
        device_bytes: int = ENOUGH,
        capacity: Capacity | None = None,
    ) -> None:
        self.registry = Registry(catalog.read(models), device, dtype_for(device), device_bytes, ENOUGH)
        self.graphs = graphs or Graphs(capture_for(device))
        self.engine = Engine(self.registry, capacity or Capacity(), graphs=self.graphs)

    def run(self, tasks: Mapping[str, Task]) -> dict[str, np.ndarray]:
        """The image of each task; all are submitted at once. Raises BenchError."""
        for name, task in tasks.items():
            pipeline = pipelines.find(task.type)
            params = {**task.params, **dict.fromkeys(task.images, ADDRESS)}
            self.engine.add(name, pipeline, pipeline.Params.model_validate(params), task.images)
        images = {}
        while self.engine.busy:
            events = self.engine.step()
            if not events:
                time.sleep(PAUSE_S)  # a model is being loaded
            for event in events:
                if isinstance(event, Failed):
                    raise BenchError(f"{event.attempt_id}: {event.message}\n{event.trace}")
                if isinstance(event, Finished):
                    images[event.attempt_id] = event.result.images[0]
        return images

    def image(self, task: Task) -> np.ndarray:
        return self.run({"task": task})["task"]

    @contextmanager
    def checkpoint(self, name: str) -> Iterator[Checkpoint]:
        with self.registry.acquire([name]) as handle:
            if not handle.wait(LOAD_S):
                raise BenchError(f"{name} was not loaded within {LOAD_S:.0f} s")
            yield handle.get(ModelRef(CHECKPOINT, name))

    def close(self) -> None:
        self.registry.close()


@contextmanager
def open_engine(
    models: Path,
    device: str,
    graphs: Graphs | None = None,
    device_bytes: int = ENOUGH,
    capacity: Capacity | None = None,
) -> Iterator[LocalEngine]:
    engine = LocalEngine(models, torch.device(device), graphs, device_bytes, capacity)
    try:
        yield engine
    finally:
        engine.close()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def capture_for(device: torch.device) -> Capture:
    """CUDA graphs; on a CPU, which has none, a tape that repeats the operations of a step on the same memory."""
    return capture_on(device) or Tape


class EagerGraph:
    """Runs the step itself, on the memory and with the padding of a captured one."""

    bytes = 0

    def __init__(self, run: Callable[[], StepResult]) -> None:
        self._run = run

    def replay(self) -> StepResult:
        return self._run()


def eager(run: Callable[[], StepResult]) -> Graph:
    return EagerGraph(run)


def synchronize(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(torch.device(device))
