"""What a step of the engine tells: plain data, fit to leave the process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from pipelines.pipeline import TaskResult


@dataclass(frozen=True, slots=True)
class Advanced:
    """A task has taken `step` of the `steps` model evaluations known so far; `preview` is uint8 RGB at latent size."""

    task_id: str
    step: int
    steps: int
    preview: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """What a task made, the seconds it waited for its models and then ran, and what it ran for: prepare, denoise,
    decode, audit."""

    task_id: str
    made: TaskResult
    load_s: float
    run_s: float
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """A task that came to nothing: `code` is for programs, `message` for people, `trace` for the log."""

    task_id: str
    code: str
    message: str
    trace: str = ""


Event = Advanced | Finished | Failed


def failed(task_id: str, error: Exception, trace: str) -> Failed:
    """An exception in the words of a failed task. Exceptions that know their `code` also know what to say."""
    if isinstance(error, torch.OutOfMemoryError):
        message = "the device has too little memory for one image of this size; ask for a smaller width or height"
        return Failed(task_id, "out_of_memory", message, trace)
    code = getattr(error, "code", None)
    if isinstance(code, str):
        return Failed(task_id, code, str(error), trace)
    message = f"making the image failed with {type(error).__name__}: {error}; the server's log has the details"
    return Failed(task_id, "internal", message, trace)
