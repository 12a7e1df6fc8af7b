"""What may travel between a worker and the child process that owns its device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipelines.pipeline import TaskResult
from server.task import Priority

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Run:
    """To the device: make the images of a task. `attempt` names this try at it in every message that follows."""

    attempt: str
    type: str
    params: Mapping[str, Any]
    images: Mapping[str, np.ndarray]
    parked: bytes = b""
    """Where an earlier attempt stood, as `Parked` told it; empty to begin anew."""
    priority: Priority = "normal"


@dataclass(frozen=True, slots=True)
class Abort:
    """To the device: stop at the next step boundary and answer `Failed` with code `aborted`."""

    attempt: str


@dataclass(frozen=True, slots=True)
class Park:
    """To the device: stop at the next step boundary and answer `Parked`."""

    attempt: str


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """From the device: it lives. The first one says that it is ready for tasks."""

    device: str
    resident: tuple[str, ...]
    capacity: int
    """Tasks that it makes use of at one time."""
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class DeviceStats:
    """From the device: what it has counted since it began."""

    busy_s: float = 0.0
    steps: Mapping[int, int] = field(default_factory=dict)
    """How many, by the rows of their batch."""
    loads: Mapping[str, int] = field(default_factory=dict)
    """Models brought to the device, by where they came from: disk, host."""
    evictions: Mapping[str, int] = field(default_factory=dict)
    """Models sent away, by where they went: host, disk."""
    memory: Mapping[str, int] = field(default_factory=dict)
    """Bytes of the device now, by kind: models, used, total."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """From the device: one more step is done. `preview` is uint8 RGB at latent size, now and then."""

    attempt: str
    step: int
    steps: int
    preview: np.ndarray | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """From the device: what became of the task, and seconds by stage: load, run, audit."""

    attempt: str
    made: TaskResult
    seconds: Mapping[str, float]
    parts: Mapping[str, float] = field(default_factory=dict)
    """What the seconds of `run` went into: prepare, denoise, decode."""


@dataclass(frozen=True, slots=True)
class Parked:
    """From the device: where the task stands, fit to be continued by a `Run` on any device."""

    attempt: str
    state: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """From the device: why nothing became of the task."""

    attempt: str
    code: str
    message: str


ToDevice = Run | Abort | Park
FromDevice = DeviceStatus | DeviceStats | Advanced | Finished | Parked | Failed
