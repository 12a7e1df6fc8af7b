"""Fixtures that run an image operation to its end, without any model."""

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


def last_event(task_type: str, images: dict[str, np.ndarray], **params: Any) -> Finished | Failed:
    """How a task ends. `images` is by parameter."""
    pipeline = pipelines.find(task_type)
    validated = pipeline.Params.model_validate({image: URLS[image] for image in images} | params)
    assert pipeline.needs(validated) == ()
    engine = Engine(Shelf(), Capacity())
    engine.add("task", pipeline, validated, images)
    events = [event for _ in range(3) for event in engine.step()]
    assert not engine.busy
    return events[-1]  # type: ignore[return-value]


@pytest.fixture
def run_task() -> Callable[..., TaskResult]:
    """`run_task(task_type, images, **params)` returns the result of a task that must not fail."""

    def run(task_type: str, images: dict[str, np.ndarray] | None = None, **params: Any) -> TaskResult:
        event = last_event(task_type, images or {}, **params)
        assert isinstance(event, Finished), event
        return event.result

    return run


@pytest.fixture
def error_of() -> Callable[..., str]:
    """`error_of(task_type, images, **params)` returns the message of a task that must fail with `bad_input`."""

    def run(task_type: str, images: dict[str, np.ndarray], **params: Any) -> str:
        event = last_event(task_type, images, **params)
        assert isinstance(event, Failed)
        assert event.code == "bad_input"
        return event.message

    return run
