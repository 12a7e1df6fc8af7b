"""What a worker and the child process that owns its device send each other. The engine's events travel as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from models.catalog.entry import ModelEntry
from models.catalog.scan import Problem
from pipelines.engine.events import Event
from server.task import ImageAudit, Priority

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Run:
    """To the device: run a task. The events about it carry the same `attempt_id`."""

    attempt_id: str
    type: str
    params: Mapping[str, Any]
    images: Mapping[str, np.ndarray]
    """Input images by their path in `params`, uint8 [h, w, channels]."""
    state: bytes = b""
    """`Parked.state` of an earlier attempt; empty to start from the beginning."""
    priority: Priority = "normal"
    image_audit: ImageAudit = "default"
    """Whether its images are audited."""
    plain: bool = False
    """Its steps run in the simplest way: without CUDA graph and compiled package, and alone."""


@dataclass(frozen=True, slots=True)
class Abort:
    """To the device: stop at the next step boundary and answer `Failed` with code `aborted`."""

    attempt_id: str


@dataclass(frozen=True, slots=True)
class Park:
    """To the device: stop at the next step boundary and answer `Parked`."""

    attempt_id: str


@dataclass(frozen=True, slots=True)
class UseCatalog:
    """To the device: the models as they are now. Tasks that run keep theirs."""

    entries: tuple[ModelEntry, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Starting:
    """From the device: it is alive, but not ready for tasks yet."""

    activity: str
    """What it does now, for people: `loads toy`, `measures toy`."""


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """From the device: it is alive. The first one says that it is ready for tasks."""

    device: str
    resident: tuple[str, ...]
    """Names of the models on the device."""
    capacity: int
    """Tasks that it can use at one time."""
    memory_bytes: int
    """Device memory that the models take."""
    broken: Mapping[str, str] = field(default_factory=dict)
    """Models that it cannot load, and why."""


@dataclass(frozen=True, slots=True)
class DeviceStats:
    """From the device: its counts since it started."""

    busy_s: float = 0.0
    steps: Mapping[int, int] = field(default_factory=dict)
    """Steps, by the rows of their batch."""
    loads: Mapping[str, int] = field(default_factory=dict)
    """Models loaded to the device, by origin: disk, host."""
    evictions: Mapping[str, int] = field(default_factory=dict)
    """Models evicted from the device, by target: host, disk."""
    memory: Mapping[str, int] = field(default_factory=dict)
    """Bytes of device memory now, by kind: models, used, total."""
    fallbacks: Mapping[str, int] = field(default_factory=dict)
    """How often a faster way could not be used, by kind: capture, replay, package."""


ToDevice = Run | Abort | Park | UseCatalog
FromDevice = Starting | DeviceStatus | DeviceStats | Event
