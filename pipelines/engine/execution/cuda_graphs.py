"""A cache of steps: their memory, and the graphs captured of them, for the next step of the same kind."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol
from weakref import ref

from torch import Tensor

from models.adapters.controlnet import ControlNet
from models.compiled.static_weights import StaticWeights
from models.device_faults import raise_if_lost
from models.files.weights_error import one_line
from pipelines.engine.execution.batch_rows import Rows
from pipelines.engine.execution.compile_policy import Compilation, CompilingRunner
from pipelines.engine.execution.step import Step
from pipelines.engine.scheduling.batch_key import BatchKey

log = logging.getLogger(__name__)

BUCKETS = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Rows that a captured step is padded to; each is less than 1.5 times as many as any batch that needs it."""
WARM_UP_STEPS = 2
"""Steps that run uncaptured before one is captured: the first one also prepares the device."""
TRIAL_STEPS = 2
"""Steps until a pass runs by its package, if there is one: the first shows which pass it is, the second tries it."""
MOST_STEPS = 8
"""Cached steps where there are no graphs."""
StepResult = tuple[Tensor, Tensor, Tensor | None]
"""Latents, model outputs, and deep features to cache, as `Step.run` returns them."""


class Graph(Protocol):
    """Work that was recorded once, and reads and writes the same memory at every replay."""

    bytes: int
    """Device memory that it takes in addition to its inputs."""

    def replay(self) -> StepResult:
        """Does the work again. The next replay overwrites the result."""
        ...


Capture = Callable[[Callable[[], StepResult]], Graph]


@dataclass(slots=True, eq=False)
class CachedStep:
    """A step with its graph, once there is one."""

    step: Step
    weights: tuple[ref[StaticWeights], ...]
    """The memory that it reads weights from."""
    runners: Sequence[CompilingRunner] = ()
    """Of the denoiser and of each ControlNet, where passes are compiled."""
    graph: Graph | None = None
    runs: int = 0
    """Since the step was created or a package replaced a pass."""
    uncapturable: bool = False
    """Whether an attempt to capture it failed."""

    @property
    def bytes(self) -> int:
        return self.step.bytes + (self.graph.bytes if self.graph else 0)

    @property
    def stale(self) -> bool:
        """Whether weights that it reads are gone."""
        return any(each() is None for each in self.weights)


@dataclass(slots=True, eq=False)
class Graphs:
    """The most recent steps, by what they compute and over which weights.

    Neither the checkpoint's name nor its LoRAs are part of the key: weights are copied and merged in place, so one
    graph works for all checkpoints that use that memory in turn. Without `capture` steps run uncaptured, with exactly
    the rows of their batch. The least recently used steps are removed when there are more than MOST_STEPS, or with
    graphs when they take more than `most_bytes`.
    """

    capture: Capture | None = None
    most_bytes: int = 4 << 30
    compilation: Compilation | None = None
    avoided: Collection[str] = ()
    """Names of steps that run plainly, because they have ended a process: neither captured nor compiled, and alone."""
    on_step: Callable[[str], None] = lambda name: None
    """Gets the name of a step that is not plain, before it runs."""
    captured: int = 0
    """How many graphs were captured so far."""
    failures: Counter[str] = field(default_factory=Counter)
    """How often a graph could not be used: `capture`, `replay`."""
    _cache: OrderedDict[tuple[object, ...], CachedStep] = field(default_factory=OrderedDict)

    @property
    def bytes(self) -> int:
        """Device memory that steps and graphs take between steps."""
        return sum(cached.bytes for cached in self._cache.values())

    @property
    def steps(self) -> tuple[CachedStep, ...]:
        """The least recently used first."""
        return tuple(self._cache.values())

    @property
    def warm_up_steps(self) -> int:
        """Steps of a kind before it runs in its final form: captured, and by a package if that is ready."""
        return (WARM_UP_STEPS if self.capture else 0) + (TRIAL_STEPS if self.compilation else 0)

    def plain(self, key: BatchKey) -> bool:
        """Whether a step runs in the simplest way: neither captured nor compiled, and alone."""
        return key.plain or key.name in self.avoided

    def clear(self) -> bool:
        """Forgets all steps and graphs, so that their memory is free; whether there were others than the latest."""
        had_others = len(self._cache) > 1
        self._cache.clear()
        return had_others

    def run(self, key: BatchKey, rows: Rows) -> StepResult:
        """One step of these rows. Later steps do not overwrite the result."""
        if self.plain(key):
            key = key._replace(plain=True)
        else:
            self.on_step(key.name)
        first = rows.trajectories[0]
        cached = self._find(key, rows, first.denoise.checkpoint.static, [control.net for control in first.controls])
        cached.step.load(rows)
        if [runner for runner in cached.runners if runner.begin_step()]:
            cached.graph, cached.runs = None, 0
        if cached.graph is not None and (replayed := self._replay(cached, cached.graph)) is not None:
            return replayed
        step = partial(cached.step.run, rows, cached.runners)
        result = step()
        cached.runs += 1
        if self.capture and cached.runs >= WARM_UP_STEPS and not cached.uncapturable and key.capturable:
            self._capture(cached, step, self.capture)
        return result

    def _capture(self, cached: CachedStep, step: Callable[[], StepResult], capture: Capture) -> None:
        """Captures while the device works on the step that was just launched."""
        try:
            cached.graph = capture(step)
        except Exception as error:
            self._give_up(cached, "capture", error)
            return
        self.captured += 1
        self._evict()

    def _replay(self, cached: CachedStep, graph: Graph) -> StepResult | None:
        """A copy of the result; None if the graph cannot be launched. Then nothing has changed."""
        try:
            latents, outputs, features = graph.replay()
            return latents.clone(), outputs.clone(), None if features is None else features.clone()
        except Exception as error:
            self._give_up(cached, "replay", error)
            return None

    def _give_up(self, cached: CachedStep, what: str, error: Exception) -> None:
        """Raises DeviceLostError."""
        raise_if_lost(error)
        cached.graph, cached.uncapturable = None, True
        self.failures[what] += 1
        log.warning("a step runs without a CUDA graph, because its %s failed: %s", what, one_line(error))

    def _find(self, key: BatchKey, rows: Rows, static: StaticWeights, nets: Sequence[ControlNet]) -> CachedStep:
        weights = (static, *(net.static for net in nets))
        row_count, slots = self._padded(key, rows)
        cache_key = (key.of_graph, row_count, slots, *(id(each) for each in weights))
        self._remove_stale()
        if cache_key not in self._cache:
            compilation = self.compilation if key.compilable else None
            runners = [CompilingRunner(compilation) for _ in weights] if compilation else []
            self._cache[cache_key] = CachedStep(
                Step(row_count, slots, key.beside), tuple(ref(each) for each in weights), runners
            )
        self._cache.move_to_end(cache_key)
        self._evict()
        return self._cache[cache_key]

    def _padded(self, key: BatchKey, rows: Rows) -> tuple[int, int]:
        """Rows and slots of the step that takes these rows."""
        if self.capture is None or not key.capturable or len(rows) > BUCKETS[-1]:
            return len(rows), len(rows.trajectories)
        bucket = BUCKETS[bisect_left(BUCKETS, len(rows))]
        return bucket, bucket

    def _remove_stale(self) -> None:
        """Removes steps over weights that are gone; their addresses may be reused."""
        for cache_key in [cache_key for cache_key, cached in self._cache.items() if cached.stale]:
            del self._cache[cache_key]

    def _evict(self) -> None:
        """The most recent step always stays."""
        while len(self._cache) > 1 and self._is_full():
            self._cache.popitem(last=False)

    def _is_full(self) -> bool:
        if self.capture is None:
            return len(self._cache) > MOST_STEPS
        return self.bytes > self.most_bytes
