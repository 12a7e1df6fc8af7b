"""The engine: takes tasks, denoises whatever their recipes yield in shared batches, one step at a time."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch

from models.kinds.kind import AnyModelRef, ModelRef
from models.kinds.safety_checker import SAFETY_CHECKER
from pipelines.engine.audit import Audit
from pipelines.engine.batch import Batch
from pipelines.engine.events import Advanced, Event, Finished, failed
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.recipe_run import Parked, PinnedModels, Run
from pipelines.engine.scheduling.batch_key import key_of
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.scheduling.memory_model import Memory
from pipelines.engine.scheduling.priority import Priority
from pipelines.engine.scheduling.step_timer import StepClock
from pipelines.engine.trajectory import Trajectory
from pipelines.pipeline import AnyPipeline, Params

PREVIEW_EVERY_S = 0.2


class ModelSource(Protocol):
    """Where models come from: `acquire` starts to load what is not resident, and keeps it so until released."""

    def acquire(self, models: Iterable[AnyModelRef]) -> PinnedModels: ...


class DuplicateTaskError(ValueError):
    """A task of this id is under way already."""


class Engine:
    """One device's loop. Whoever owns it calls `step` while it is `busy`; nothing here waits or starts a thread.

    The task whose turn it is (`Turn`: its class, then its age) decides what is batched, others join where they fit
    (`Memory`) and where it pays (`Capacity`). Every task ends in one Finished or Failed, unless it is aborted or
    parked.
    """

    def __init__(
        self,
        registry: ModelSource,
        capacity: Capacity,
        memory: Memory | None = None,
        graphs: Graphs | None = None,
        audit: Audit | None = None,
    ) -> None:
        self._registry = registry
        self._audit = audit or Audit()
        self._capacity = capacity
        self._memory = memory or Memory()
        self._graphs = graphs or Graphs()
        self._clock = StepClock()
        self.steps: Counter[int] = Counter()
        """How many were taken, by the rows of their batch."""
        self._runs: dict[str, Run] = {}
        self._stillborn: list[Event] = []
        self._previewed_at = 0.0

    def add(
        self,
        task_id: str,
        pipeline: AnyPipeline,
        params: Params,
        images: Mapping[str, np.ndarray],
        parked: Parked | None = None,
        priority: Priority = "normal",
    ) -> None:
        """Takes a task; it starts once its models are resident. `parked` lets it go on where it once stood; one of a
        higher `priority` takes the device from others at the next step.

        Raises DuplicateTaskError.
        """
        if task_id in self._runs:
            raise DuplicateTaskError(f"task {task_id} is under way already; abort or park it before adding it again")
        judge = self._audit.judge_of(pipeline, params)
        try:
            judges = [ModelRef(SAFETY_CHECKER, judge)] if judge else []
            models = self._registry.acquire((*pipeline.needs(params), *judges))
        except Exception as error:
            self._stillborn.append(failed(task_id, error, traceback.format_exc()))
            return
        self._runs[task_id] = Run(task_id, pipeline, params, images, models, parked, priority, judge)

    def abort(self, task_id: str) -> bool:
        """Ends a task without a word more about it; False if there is none of this id."""
        run = self._runs.pop(task_id, None)
        if run is not None:
            run.close()
        return run is not None

    def park(self, task_id: str) -> Parked | None:
        """Takes a task out, as plain tensors with which it can be added again, here or elsewhere."""
        run = self._runs.get(task_id)
        if run is None:
            return None
        parked = run.park()
        self.abort(task_id)
        return parked

    @property
    def busy(self) -> bool:
        """Whether `step` has anything to do; it may only be waiting for models, and then returns at once."""
        return bool(self._runs or self._stillborn)

    @property
    def room(self) -> int:
        """How many more tasks of one guided image would fill a batch like the last one to its capacity."""
        taken = sum(each.rows for each in self._under_way())
        taken += sum(run.expected_rows for run in self._runs.values() if not run.started)
        return max((self._capacity.latest - taken) // 2, int(not self._runs))

    @torch.inference_mode()
    def step(self) -> list[Event]:
        """Lets every recipe that can go on do so, then advances one batch by one step.

        Raises torch.AcceleratorError if the device itself has failed: nothing can go on in this process then.
        """
        events, self._stillborn = self._stillborn, []
        for run in list(self._runs.values()):
            events += self._resume(run)
        batch = self._compatible()
        return events + self._advance(batch) if batch else events

    def _resume(self, run: Run) -> list[Event]:
        try:
            made = run.resume() if run.ready else None
        except torch.AcceleratorError:
            raise
        except Exception as error:
            return self._fail(run, error)
        if made is None:
            return []
        load_s, run_s = run.seconds
        self.abort(run.task_id)
        return [Finished(run.task_id, made, load_s, run_s, run.parts)]

    def _under_way(self) -> list[Trajectory]:
        """Whatever is to be stepped, in the order in which it is their turn (`Turn`)."""
        runs = sorted(self._runs.values(), key=lambda run: run.turn(self._capacity))
        return [each for run in runs for each in run.trajectories if not each.done]

    def _compatible(self) -> list[Trajectory]:
        """The trajectory whose turn it is and those that may join it, in their order, up to the capacity."""
        waiting = self._under_way()
        if not waiting:
            return []
        key = key_of(waiting[0])
        room = 0 if key.strict else self._capacity.rows(key)
        chosen, taken = [waiting[0]], waiting[0].rows
        for each in waiting[1:]:
            rows = taken + each.rows
            if rows <= room and key_of(each) == key and self._memory.fits(key, rows):
                chosen.append(each)
                taken = rows
        return chosen

    def _advance(self, trajectories: Sequence[Trajectory]) -> list[Event]:
        """Steps these together; a batch that fails is halved until the culprit is alone."""
        error = self._attempt(trajectories)
        if error is None:
            return self._progress(trajectories)
        if len(trajectories) == 1:
            return [event for run in self._owners(trajectories) for event in self._fail(run, error)]
        del error  # its traceback holds on to the memory that was too little
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        half = len(trajectories) // 2
        return self._advance(trajectories[:half]) + self._advance(trajectories[half:])

    def _attempt(self, trajectories: Sequence[Trajectory]) -> Exception | None:
        batch = Batch(trajectories, self._graphs)
        device = trajectories[0].denoise.checkpoint.device
        try:
            with (
                self._memory.watched(batch.key, batch.rows, device),
                self._clock.timed(device, lambda seconds: self._capacity.observe(batch.key, batch.rows, seconds)),
            ):
                batch.step()
            self.steps[batch.rows] += 1
        except torch.AcceleratorError:
            raise
        except torch.OutOfMemoryError as error:
            self._capacity.refuse(batch.key, batch.rows)
            return error
        except Exception as error:
            return error
        return None

    def _progress(self, trajectories: Sequence[Trajectory]) -> list[Event]:
        runs = self._owners(trajectories)
        previewed = self._due_for_preview(runs)
        return [event for run in runs for event in self._tell(run, run is previewed)]

    def _tell(self, run: Run, with_preview: bool) -> list[Event]:
        try:
            preview = run.preview() if with_preview else None
        except torch.AcceleratorError:
            raise
        except Exception as error:
            return self._fail(run, error)
        return [Advanced(run.task_id, *run.progress, preview=preview)]

    def _due_for_preview(self, runs: Sequence[Run]) -> Run | None:
        """The one that has gone longest without a preview, a few times a second: each costs a wait for the device.

        What is to be judged is shown to nobody before.
        """
        now = time.monotonic()
        runs = [run for run in runs if not run.judge]
        if not runs or now - self._previewed_at < PREVIEW_EVERY_S:
            return None
        run = min(runs, key=lambda run: run.previewed_at)
        self._previewed_at = run.previewed_at = now
        return run

    def _owners(self, trajectories: Sequence[Trajectory]) -> list[Run]:
        return [run for run in self._runs.values() if any(each in trajectories for each in run.trajectories)]

    def _fail(self, run: Run, error: Exception) -> list[Event]:
        self.abort(run.task_id)
        trace = "".join(traceback.format_exception(error))
        return [failed(run.task_id, error, trace)]
