"""A cache of steps: their memory, and the CUDA graphs captured of them, for the next step of the same kind."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol
from weakref import ref

import torch
from torch import Tensor

from models.adapters.controlnet import ControlNet
from models.compiled.static_weights import StaticWeights
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


class CudaGraph:
    """A step as one launch instead of many hundreds."""

    def __init__(self, run: Callable[[], StepResult], pool: Any, stream: torch.cuda.Stream) -> None:
        device = stream.device
        before = torch.cuda.memory_reserved(device)
        self._graph = torch.cuda.CUDAGraph()
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            # Thread-local: another thread may load models meanwhile.
            self._graph.capture_begin(pool=pool, capture_error_mode="thread_local")
            try:
                self._result = run()
            finally:
                self._graph.capture_end()
        self.bytes = max(torch.cuda.memory_reserved(device) - before, 0)

    def replay(self) -> StepResult:
        self._graph.replay()
        return self._result


def capture_on(device: torch.device) -> Capture | None:
    """How steps are captured on a device; None if it has no graphs.

    All graphs share one memory pool: they run one after another, and the result of each stays allocated.
    """
    if device.type != "cuda":
        return None
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return partial(CudaGraph, pool=torch.cuda.graph_pool_handle(), stream=stream)


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
    captured: int = 0
    """How many graphs were captured so far."""
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

    def run(self, key: BatchKey, rows: Rows) -> StepResult:
        """One step of these rows. Later steps do not overwrite the result."""
        first = rows.trajectories[0]
        cached = self._find(key, rows, first.denoise.checkpoint.static, [control.net for control in first.controls])
        cached.step.load(rows)
        if [runner for runner in cached.runners if runner.begin_step()]:
            cached.graph, cached.runs = None, 0
        if cached.graph is not None:
            latents, outputs, features = cached.graph.replay()
            return latents.clone(), outputs.clone(), None if features is None else features.clone()
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
        except torch.AcceleratorError:
            raise
        except (RuntimeError, NotImplementedError) as error:
            cached.uncapturable = True
            log.warning("a step cannot be captured and runs uncaptured: %s", error)
            return
        self.captured += 1
        self._evict()

    def _find(self, key: BatchKey, rows: Rows, static: StaticWeights, nets: Sequence[ControlNet]) -> CachedStep:
        weights = (static, *(net.static for net in nets))
        row_count, slots = self._padded(key, rows)
        cache_key = (key.of_graph, row_count, slots, *(id(each) for each in weights))
        self._remove_stale()
        if cache_key not in self._cache:
            compilation = self.compilation if key.compilable else None
            runners = [CompilingRunner(compilation) for _ in weights] if compilation else []
            self._cache[cache_key] = CachedStep(Step(row_count, slots), tuple(ref(each) for each in weights), runners)
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
