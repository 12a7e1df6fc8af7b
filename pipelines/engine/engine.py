"""The engine: runs the recipes of many tasks, and denoises what they yield in shared batches, one step at a time."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

import numpy as np
import torch

from models.device_faults import DeviceLostError, is_out_of_memory, raise_if_lost
from models.kinds.kind import AnyModelRef, ModelRef
from models.kinds.safety_checker import SAFETY_CHECKER
from pipelines.engine.audit_policy import AuditPolicy, ImageAudit
from pipelines.engine.batch import Batch, key_beside, mixing
from pipelines.engine.events import Advanced, Event, Finished
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.failures import failure
from pipelines.engine.recipe_run import PinnedModels, RecipeRun
from pipelines.engine.scheduling.batch_key import BatchKey, key_of
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.scheduling.lora_choice import LoraChoice, Plan
from pipelines.engine.scheduling.memory_model import Memory
from pipelines.engine.scheduling.priority import Priority
from pipelines.engine.scheduling.step_timer import StepClock
from pipelines.engine.snapshot import Snapshot
from pipelines.engine.trajectory import Trajectory
from pipelines.pipeline import AnyPipeline, Params

PREVIEW_EVERY_S = 0.2


class ModelSource(Protocol):
    """Where models come from."""

    def acquire(self, models: Iterable[AnyModelRef]) -> PinnedModels:
        """Starts to load the models that are not resident, and keeps all of them resident until they are released."""
        ...


class DuplicateAttemptError(ValueError):
    """An attempt with this id is running already."""


class Engine:
    """One device's loop. Its owner calls `step` while it is `busy`; the engine never waits. Audits run in a thread.

    The task with the first `StepPriority` decides the batch key. Others join its batch where they fit (`Memory`) and
    where a larger batch pays (`Capacity`). Every task ends in one Finished or Failed, unless it is aborted or parked.
    """

    def __init__(
        self,
        registry: ModelSource,
        capacity: Capacity,
        memory: Memory | None = None,
        graphs: Graphs | None = None,
        audit: AuditPolicy | None = None,
        loras: LoraChoice | None = None,
    ) -> None:
        self._registry = registry
        self._audit = audit or AuditPolicy()
        self._auditor = ThreadPoolExecutor(1, "audit")
        self._capacity = capacity
        self._memory = memory or Memory()
        self._graphs = graphs or Graphs()
        self._clock = StepClock()
        self._loras = loras or LoraChoice()
        self.steps: Counter[int] = Counter()
        """Steps so far, by the rows of their batch."""
        self._runs: dict[str, RecipeRun] = {}
        self._rejected: list[Event] = []
        self._previewed_at = 0.0
        self._lost: DeviceLostError | None = None
        """Raised by the next step."""

    def add(
        self,
        attempt_id: str,
        pipeline: AnyPipeline,
        params: Params,
        images: Mapping[str, np.ndarray],
        snapshot: Snapshot | None = None,
        priority: Priority = "normal",
        image_audit: ImageAudit = "default",
        plain: bool = False,
    ) -> None:
        """Adds a task; it starts once its models are resident.

        attempt_id: carried by all its events.
        images: input images by their path in `params`, uint8.
        snapshot: where an earlier attempt stopped; this one continues from there.
        priority: a higher one takes the device from lower ones at the next step.
        image_audit: whether its images are audited.
        plain: its steps are neither captured nor compiled, and share no forward pass.

        Raises DuplicateAttemptError.
        """
        if attempt_id in self._runs:
            raise DuplicateAttemptError(
                f"attempt {attempt_id} is running already; abort or park it before adding it again"
            )
        safety_models = self._audit.models_for(pipeline, params, image_audit)
        try:
            safety = [ModelRef(SAFETY_CHECKER, name) for name in safety_models]
            models = self._registry.acquire((*pipeline.needs(params), *safety))
        except Exception as error:
            self._rejected.append(failure(attempt_id, error))
            return
        self._runs[attempt_id] = RecipeRun(
            attempt_id, pipeline, params, images, models, snapshot, priority, safety_models, self._auditor, plain
        )

    def abort(self, attempt_id: str) -> bool:
        """Ends a task without any further event; returns False if there is no such attempt."""
        run = self._runs.pop(attempt_id, None)
        if run is not None:
            run.close()
        return run is not None

    def park(self, attempt_id: str) -> Snapshot | None:
        """Removes a task; the snapshot continues it when it is added again, here or in another process."""
        run = self._runs.get(attempt_id)
        if run is None:
            return None
        snapshot = run.snapshot()
        self.abort(attempt_id)
        return snapshot

    @property
    def fallbacks(self) -> dict[str, int]:
        """How often a graph or a package could not be used: `capture`, `replay`, `package`."""
        compilation = self._graphs.compilation
        packages = {"package": compilation.failures} if compilation and compilation.failures else {}
        return {**self._graphs.failures, **packages}

    @property
    def busy(self) -> bool:
        """Whether `step` has work; while all tasks wait for models it returns at once."""
        return bool(self._runs or self._rejected)

    @property
    def room(self) -> int:
        """How many more tasks of one guided image would fill a batch like the last one to its capacity."""
        rows = sum(each.rows for each in self.unfinished())
        rows += sum(run.expected_rows for run in self._runs.values() if not run.started)
        return max((self._capacity.latest - rows) // 2, int(not self._runs))

    @torch.inference_mode()
    def step(self, on_progress: Callable[[], None] = lambda: None) -> list[Event]:
        """Resumes every recipe that is ready, then advances one batch by one step. `on_progress` is called between
        these, because all of them together can take long.

        Raises DeviceLostError if the device itself has failed; results that were complete before are returned first.
        """
        if self._lost is not None:
            raise self._lost
        events, self._rejected = self._rejected, []
        try:
            for run in list(self._runs.values()):
                events += self._resume(run)
                on_progress()
            batch = self._next_batch()
            return events + self._advance(batch) if batch else events
        except DeviceLostError as error:
            if not events:
                raise
            self._lost = error
            return events

    def _resume(self, run: RecipeRun) -> list[Event]:
        try:
            result = run.resume() if run.ready else None
        except Exception as error:
            raise_if_lost(error)
            return self._fail(run, error)
        if result is None:
            return []
        event = Finished(run.attempt_id, result, run.seconds, run.parts)
        self.abort(run.attempt_id)
        return [event]

    def unfinished(self) -> list[Trajectory]:
        """All trajectories that have steps left, in the order of their tasks' `StepPriority`."""
        runs = sorted(self._runs.values(), key=lambda run: run.step_priority(self._capacity))
        return [each for run in runs for each in run.trajectories if not each.done]

    def _next_batch(self) -> Batch | None:
        """The batch of the first trajectory."""
        waiting = self.unfinished()
        if not waiting:
            return None
        keys = {each: key_of(each) for each in waiting}
        key = keys[waiting[0]]
        same = self._chosen(key, [each for each in waiting if keys[each] == key])
        alike = [each for each in waiting if keys[each].without_loras == key.without_loras]
        has_other_loras = any(keys[each] != key for each in alike)
        mixable = mixing(alike) if has_other_loras and not (key.strict or key.plain) else []
        if len({keys[each] for each in mixable}) > 1:
            mixed = self._chosen(key_beside(mixable), mixable)
            if self._loras.beside_pays(
                self._capacity, _plan(mixed, beside=True), _plan(same), is_merged=_is_merged(same)
            ):
                return Batch(mixed, self._graphs, beside=True)
        return Batch(same, self._graphs)

    def _chosen(self, key: BatchKey, waiting: Sequence[Trajectory]) -> list[Trajectory]:
        """The first of these trajectories and those that may join its batch, in order, up to the capacity."""
        room = 0 if key.strict or self._graphs.plain(key) else self._capacity.rows(key)
        chosen, chosen_rows = [waiting[0]], waiting[0].rows
        for each in waiting[1:]:
            rows = chosen_rows + each.rows
            if rows <= room and self._memory.fits(key, rows):
                chosen.append(each)
                chosen_rows = rows
        return chosen

    def _advance(self, batch: Batch) -> list[Event]:
        """Steps a batch; if it fails, its halves, until the failing trajectory is alone.

        A batch that does not fit is tried again without what the cache of steps keeps.
        """
        error = self._try_step(batch)
        if error is not None and is_out_of_memory(error) and self._graphs.clear():
            del error  # its traceback keeps tensors of the failed step alive
            torch.cuda.empty_cache()
            error = self._try_step(batch)
        if error is None:
            return self._progress(batch.trajectories)
        if is_out_of_memory(error):
            self._graphs.clear()
            self._capacity.refuse(batch.key, batch.rows)
        if len(batch.trajectories) == 1:
            return [event for run in self._owners(batch.trajectories) for event in self._fail(run, error)]
        del error
        torch.cuda.empty_cache()
        return [event for half in batch.halves for event in self._advance(half)]

    def _try_step(self, batch: Batch) -> Exception | None:
        device = batch.trajectories[0].denoise.checkpoint.device
        observe = self._observe if batch.key.beside or _is_merged(batch.trajectories) else self._observe_merge
        try:
            with (
                self._memory.watched(batch.key, batch.rows, device),
                self._clock.timed(device, partial(observe, batch.key, batch.rows)),
            ):
                batch.step()
            self.steps[batch.rows] += 1
        except Exception as error:
            raise_if_lost(error)
            return error
        return None

    def _observe(self, key: BatchKey, rows: int, seconds: float) -> None:
        self._capacity.observe(key, rows, seconds)

    def _observe_merge(self, key: BatchKey, rows: int, seconds: float) -> None:
        """Of a step that merged LoRAs first."""
        usual_s = self._capacity.seconds(key, rows)
        if usual_s is not None:
            self._loras.observe_merge(seconds - usual_s)

    def _progress(self, trajectories: Sequence[Trajectory]) -> list[Event]:
        runs = self._owners(trajectories)
        previewed = self._due_for_preview(runs)
        return [event for run in runs for event in self._advanced(run, run is previewed)]

    def _advanced(self, run: RecipeRun, with_preview: bool) -> list[Event]:
        try:
            preview = run.preview() if with_preview else None
        except Exception as error:
            raise_if_lost(error)
            return self._fail(run, error)
        return [Advanced(run.attempt_id, *run.progress, preview=preview)]

    def _due_for_preview(self, runs: Sequence[RecipeRun]) -> RecipeRun | None:
        """The run whose last preview is oldest. Only a few a second: each preview waits for the device.

        Tasks with an audit have no previews, for nothing may be seen before its audit.
        """
        now = time.monotonic()
        runs = [run for run in runs if not run.safety_models]
        if not runs or now - self._previewed_at < PREVIEW_EVERY_S:
            return None
        run = min(runs, key=lambda run: run.previewed_at)
        self._previewed_at = run.previewed_at = now
        return run

    def _owners(self, trajectories: Sequence[Trajectory]) -> list[RecipeRun]:
        return [run for run in self._runs.values() if any(each in trajectories for each in run.trajectories)]

    def _fail(self, run: RecipeRun, error: Exception) -> list[Event]:
        self.abort(run.attempt_id)
        return [failure(run.attempt_id, error, run.model_entries)]


def _is_merged(trajectories: Sequence[Trajectory]) -> bool:
    """Whether the weights have the LoRAs of these trajectories, which all have the same, already."""
    return trajectories[0].denoise.checkpoint.is_merged


def _plan(trajectories: Sequence[Trajectory], *, beside: bool = False) -> Plan:
    key = key_beside(trajectories) if beside else key_of(trajectories[0])
    steps = max(len(each.table) - each.index for each in trajectories)
    return Plan(key, sum(each.rows for each in trajectories), steps)
