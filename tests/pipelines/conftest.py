"""An engine over the registry, with the toys of every family."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from models import catalog
from models.registry import Hold, Registry
from pipelines.engine.capacity import Capacity
from pipelines.engine.engine import Engine
from pipelines.engine.events import Event, Failed, Finished
from pipelines.pipeline import AnyPipeline, Params

LONG_S = 60.0


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
        (image,) = finished.images
        return image

    def events(self) -> Iterator[Event]:
        while self.engine.busy:
            yield from self.engine.step()

    def held(self, *names: str) -> Hold:
        hold = self.registry.acquire(names)
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
