"""What the engine's tests share: toy checkpoints, a shelf to take them from, and a way to run an engine dry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models import catalog
from models.adapters import lora
from models.adapters.lora import Lora
from models.adapters.textual_inversion import Embedding
from models.diffusion.checkpoint import Checkpoint
from models.kinds import CHECKPOINT_FAMILIES
from models.kinds.kind import AnyModelRef
from models.kinds.lora import LORA
from models.kinds.textual_inversion import TEXTUAL_INVERSION
from models.registry import loaders
from models.registry.handle import ModelHandle
from models.registry.registry import Registry
from pipelines.engine.engine import Engine
from pipelines.engine.events import Event, Failed, Finished
from pipelines.engine.scheduling.batch_key import BatchKey
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.pipeline import AnyPipeline, Params

# The toys are too small to share among cores, and waiting threads would slow down every other process of the machine.
torch.set_num_threads(1)

LONG_S = 60.0

SD1 = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "clip_sample": False,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
}


@pytest.fixture(params=["epsilon", "v_prediction"])
def config(request: pytest.FixtureRequest) -> dict[str, object]:
    """The diffusers scheduler config that SD 1.x ships, for either kind of prediction."""
    return {**SD1, "prediction_type": request.param}


class Shelf:
    """Checkpoints that are resident already, and a count of who holds them.

    As in a catalog, NAME-inpainting is used instead of NAME for masked areas, if there is one.
    """

    def __init__(self, *checkpoints: Checkpoint) -> None:
        self.checkpoints = {each.name: each for each in checkpoints}
        self.loras: dict[str, Lora] = {}
        self.embeddings: dict[str, Embedding] = {}
        self.held = 0
        self.ready = True

    def acquire(self, models: Iterable[AnyModelRef]) -> Held:
        self.held += 1
        return Held(self)

    def find(self, ref: AnyModelRef) -> Any:
        if ref.kind is LORA:
            return self.loras[ref.name]
        if ref.kind is TEXTUAL_INVERSION:
            return self.embeddings[ref.name]
        plain = self.checkpoints[ref.name]
        return self.checkpoints.get(f"{ref.name}-inpainting", plain) if ref.inpainting else plain


class Held:
    entries = ()

    def __init__(self, shelf: Shelf) -> None:
        self._shelf, self._released = shelf, False

    @property
    def ready(self) -> bool:
        return self._shelf.ready

    def get(self, ref: AnyModelRef) -> Any:
        return self._shelf.find(ref)

    def release(self) -> None:
        assert not self._released
        self._released = True
        self._shelf.held -= 1


@pytest.fixture(scope="session")
def toys(models_dir: Path) -> dict[str, Checkpoint]:
    painters = (entry for entry in catalog.read(models_dir) if entry.family in CHECKPOINT_FAMILIES)
    return {entry.name: loaders.load(entry, torch.device("cpu"), torch.float32) for entry in painters}


@pytest.fixture(scope="session")
def loras(models_dir: Path) -> dict[str, Lora]:
    entries = (entry for entry in catalog.read(models_dir) if entry.family == "lora")
    return {entry.name: lora.load(entry, torch.device("cpu"), torch.float32) for entry in entries}


@pytest.fixture(scope="session")
def sd1(toys: dict[str, Checkpoint]) -> Checkpoint:
    return toys["toy-sd1"]


@pytest.fixture
def shelf(toys: dict[str, Checkpoint], loras: dict[str, Lora]) -> Shelf:
    shelf = Shelf(*toys.values())
    shelf.loras = loras
    return shelf


class EvenCapacity(Capacity):
    """Learns that all steps take the same time, so that it does not depend on the machine which tasks share a batch."""

    def observe(self, key: BatchKey, rows: int, seconds: float) -> None:
        super().observe(key, rows, 1.0)


@pytest.fixture
def engine(shelf: Shelf) -> Engine:
    return Engine(shelf, EvenCapacity())


def run_dry(engine: Engine) -> list[Event]:
    """Steps until all tasks have ended; returns their events."""
    events: list[Event] = []
    while engine.busy:
        events += engine.step()
    return events


def images_of(events: Iterable[Event]) -> dict[str, list[np.ndarray]]:
    """The images of every task; a failed one is a failed test."""
    events = list(events)
    assert not [event for event in events if isinstance(event, Failed)]
    return {event.attempt_id: list(event.result.images) for event in events if isinstance(event, Finished)}


class Studio:
    """Runs one task at a time to its end."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.engine = Engine(registry, Capacity())

    def run(self, pipeline: AnyPipeline, params: Params, images: Mapping[str, np.ndarray]) -> Finished | Failed:
        self.engine.add("task", pipeline, params, images)
        *_, last = self.events()
        assert isinstance(last, Finished | Failed)
        return last

    def image(self, pipeline: AnyPipeline, params: Params, images: Mapping[str, np.ndarray]) -> np.ndarray:
        """The one image of a task that must not fail."""
        finished = self.run(pipeline, params, images)
        assert isinstance(finished, Finished), finished
        (image,) = finished.result.images
        return image

    def events(self) -> Iterator[Event]:
        while self.engine.busy:
            yield from self.engine.step()

    def held(self, *models: AnyModelRef | str) -> ModelHandle:
        hold = self.registry.acquire(models)
        assert hold.wait(LONG_S)
        return hold


@pytest.fixture(scope="session")
def registry(models_dir: Path) -> Iterator[Registry]:
    registry = Registry(catalog.read(models_dir), torch.device("cpu"), torch.float32, 1 << 40, 0)
    yield registry
    registry.close()


@pytest.fixture
def studio(registry: Registry) -> Studio:
    return Studio(registry)
