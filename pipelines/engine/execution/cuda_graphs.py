"""Steps that are kept: their memory, and the graphs captured of them, for whoever needs the same step next."""

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
from pipelines.engine.execution.compile_policy import Compilation, Forward
from pipelines.engine.execution.step import Step
from pipelines.engine.scheduling.batch_key import BatchKey

log = logging.getLogger(__name__)

BUCKETS = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Rows that a captured step is padded to, less than half as many again as were asked for."""
WARM = 2
"""Steps that run as they are before one is captured: the first one also prepares the device."""
TRIAL = 2
"""Steps after which a pass runs by its package, if there was one: the first tells what pass it is, on the second the
package is tried."""
STEPS_KEPT = 8
Taken = tuple[Tensor, Tensor, Tensor | None]
"""Latents and outputs of a step, and deep features if they are kept, as `Step.run` answers them."""


class Graph(Protocol):
    """Work that was recorded once, and reads and writes the same memory whenever it is replayed."""

    bytes: int
    """What it takes of the device beside what it was given."""

    def replay(self) -> Taken:
        """Does the work again. The answer lies in memory that the next replay writes over."""
        ...


Capture = Callable[[Callable[[], Taken]], Graph]


class CudaGraph:
    """A step as one launch, in place of many hundreds."""

    def __init__(self, run: Callable[[], Taken], pool: Any, stream: torch.cuda.Stream) -> None:
        device = stream.device
        before = torch.cuda.memory_reserved(device)
        self._graph = torch.cuda.CUDAGraph()
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            # Thread-local, for models are loaded meanwhile by another thread.
            self._graph.capture_begin(pool=pool, capture_error_mode="thread_local")
            try:
                self._taken = run()
            finally:
                self._graph.capture_end()
        self.bytes = max(torch.cuda.memory_reserved(device) - before, 0)

    def replay(self) -> Taken:
        self._graph.replay()
        return self._taken


def capture_on(device: torch.device) -> Capture | None:
    """How steps are captured on a device; None where there are no graphs.

    All share one pool of memory: they run one after another, and each one's answer stays allocated.
    """
    if device.type != "cuda":
        return None
    stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return partial(CudaGraph, pool=torch.cuda.graph_pool_handle(), stream=stream)


@dataclass(slots=True, eq=False)
class CachedStep:
    """A step with its graph, once there is one, and the weights it was made over."""

    step: Step
    weights: tuple[ref[StaticWeights], ...]
    forwards: Sequence[Forward] = ()
    """Of the denoiser and of each ControlNet, where passes are compiled."""
    graph: Graph | None = None
    runs: int = 0
    hopeless: bool = False

    @property
    def bytes(self) -> int:
        return self.step.bytes + (self.graph.bytes if self.graph else 0)

    @property
    def stale(self) -> bool:
        return any(each() is None for each in self.weights)


@dataclass(slots=True, eq=False)
class Graphs:
    """The steps taken last, by what they compute and over which weights.

    Neither the checkpoint's name nor its LoRAs are in that: weights are copied and merged in place, so one graph serves
    all checkpoints that lie there in turn. Without `capture` steps just run, at exactly the rows that they have. The
    least recently used leave when there are more than STEPS_KEPT, or with graphs when they take more than `most_bytes`.
    """

    capture: Capture | None = None
    most_bytes: int = 4 << 30
    compilation: Compilation | None = None
    captured: int = 0
    """How many graphs were captured so far."""
    _kept: OrderedDict[tuple[object, ...], CachedStep] = field(default_factory=OrderedDict)

    @property
    def bytes(self) -> int:
        """What steps and graphs take of the device while nobody uses them."""
        return sum(kept.bytes for kept in self._kept.values())

    @property
    def warm(self) -> int:
        """How many steps of a kind go by before it runs as it will from then on, by a package if that is there."""
        return (WARM if self.capture else 0) + (TRIAL if self.compilation else 0)

    def run(self, key: BatchKey, rows: Rows) -> Taken:
        """One step of these rows; the answer is the caller's to keep."""
        first = rows.trajectories[0]
        checkpoint, nets = first.denoise.checkpoint, [control.net for control in first.controls]
        kept = self._of(key, rows, checkpoint.static, nets)
        kept.step.load(rows)
        if [each for each in kept.forwards if each.changes()]:
            kept.graph, kept.runs = None, 0
        if kept.graph is not None:
            latents, outputs, features = kept.graph.replay()
            return latents.clone(), outputs.clone(), None if features is None else features.clone()
        step = partial(kept.step.run, rows, kept.forwards)
        taken = step()
        kept.runs += 1
        if self.capture is not None and kept.runs >= WARM and not kept.hopeless and key.capturable:
            self._capture(kept, step, self.capture)
        return taken

    def _capture(self, kept: CachedStep, step: Callable[[], Taken], capture: Capture) -> None:
        """While the device is at work on the step that was just launched."""
        try:
            kept.graph = capture(step)
        except torch.AcceleratorError:
            raise
        except (RuntimeError, NotImplementedError) as error:
            kept.hopeless = True
            log.warning("a step cannot be captured and runs as it is: %s", error)
            return
        self.captured += 1
        self._evict()

    def _of(self, key: BatchKey, rows: Rows, static: StaticWeights, nets: Sequence[ControlNet]) -> CachedStep:
        weights = (static, *(net.static for net in nets))
        room, slots = self._room(key, rows)
        wanted = (key.of_graph, room, slots, *(id(each) for each in weights))
        self._sweep()
        if wanted not in self._kept:
            compiled = [Forward(self.compilation) for _ in weights] if self.compilation and key.compilable else []
            self._kept[wanted] = CachedStep(Step(room, slots), tuple(ref(each) for each in weights), compiled)
        self._kept.move_to_end(wanted)
        self._evict()
        return self._kept[wanted]

    def _room(self, key: BatchKey, rows: Rows) -> tuple[int, int]:
        """Rows and slots of the step that takes these."""
        if self.capture is None or not key.capturable or len(rows) > BUCKETS[-1]:
            return len(rows), len(rows.trajectories)
        bucket = BUCKETS[bisect_left(BUCKETS, len(rows))]
        return bucket, bucket

    def _sweep(self) -> None:
        """Forgets what was made over weights that are there no more; their addresses may be given to others."""
        for wanted in [wanted for wanted, kept in self._kept.items() if kept.stale]:
            del self._kept[wanted]

    def _evict(self) -> None:
        """The one used last always stays."""
        while len(self._kept) > 1 and self._too_many():
            self._kept.popitem(last=False)

    def _too_many(self) -> bool:
        if self.capture is None:
            return len(self._kept) > STEPS_KEPT
        return self.bytes > self.most_bytes
