"""What the tests of these tasks share: pictures, and a task run to its end without any model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pipelines
from pipelines.engine.engine import Engine
from pipelines.engine.events import Failed, Finished
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.pipeline import TaskResult
from tests.pipelines.conftest import Shelf

URLS = {"url": "https://example.com/a.png", "url2": "https://example.com/b.png", "bg_url": "https://example.com/c.png"}


def finished(name: str, images: dict[str, np.ndarray], **params: Any) -> Finished | Failed:
    """What a task came to; each of its `images` is one of its parameters."""
    pipeline = pipelines.find(name)
    asked = pipeline.Params.model_validate({image: URLS[image] for image in images} | params)
    assert pipeline.needs(asked) == ()
    engine = Engine(Shelf(), Capacity())
    engine.add("task", pipeline, asked, images)
    events = [event for _ in range(3) for event in engine.step()]
    assert not engine.busy
    return events[-1]  # type: ignore[return-value]


@pytest.fixture
def make() -> Callable[..., TaskResult]:
    """(name, images, **params): what a task that must not fail made."""

    def make(name: str, images: dict[str, np.ndarray] | None = None, **params: Any) -> TaskResult:
        event = finished(name, images or {}, **params)
        assert isinstance(event, Finished), event
        return event.made

    return make


@pytest.fixture
def refusal() -> Callable[..., str]:
    """(name, images, **params): why a task failed that was asked the impossible."""

    def refusal(name: str, images: dict[str, np.ndarray], **params: Any) -> str:
        event = finished(name, images, **params)
        assert isinstance(event, Failed)
        assert event.code == "bad_input"
        return event.message

    return refusal


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
