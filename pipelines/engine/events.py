"""What the engine reports about a task: plain data that can be sent to another process. Free of torch, for the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipelines.pipeline import TaskResult

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Advanced:
    """A task has taken one more step."""

    attempt_id: str
    step: int
    """Model evaluations so far."""
    steps: int
    """Model evaluations known so far; a recipe with a second pass adds to them."""
    preview: np.ndarray | None = None
    """uint8 RGB at latent size [h, w, 3]; only a few times a second."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A task has succeeded."""

    attempt_id: str
    result: TaskResult
    seconds: Mapping[str, float]
    """By stage: load (waiting for models), run, and audit if there was one."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """The seconds of `run` by part: prepare, denoise, decode."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A task has stopped, and can go on from `state` in any process of this version."""

    attempt_id: str
    state: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """A task has failed."""

    attempt_id: str
    code: str
    """For programs."""
    message: str
    """For users."""
    trace: str = ""
    """The traceback, for the log of the process that raised it: pickling leaves it out."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Failed, (self.attempt_id, self.code, self.message)


Event = Advanced | Finished | Parked | Failed
