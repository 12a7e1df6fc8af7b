"""One task's recipe while it runs: its generator, the trajectories it yielded, and its pinned models."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Protocol

import numpy as np

from models.catalog.entry import ModelEntry
from models.finite import require_finite
from models.kinds.kind import ModelRef
from models.kinds.safety_checker import SAFETY_CHECKER
from pipelines.engine.audit import without_unsafe
from pipelines.engine.scheduling.batch_key import key_of
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.scheduling.priority import Priority, StepPriority
from pipelines.engine.snapshot import Snapshot
from pipelines.engine.trajectory import State, Trajectory
from pipelines.pipeline import AnyPipeline, Denoise, Models, Params, Recipe, TaskResult


class PinnedModels(Models, Protocol):
    """What a run needs of the handle on its models, see `ModelHandle`."""

    @property
    def ready(self) -> bool:
        """Raises ModelLoadError if a model cannot be loaded."""
        ...

    @property
    def entries(self) -> Sequence[ModelEntry]:
        """What the models are loaded from."""
        ...

    def release(self) -> None: ...


class RecipeRun:
    """A recipe from the request for its models to its result.

    A generator cannot move to another process, but the values that were sent to it can: to continue from a snapshot,
    the recipe runs again, its earlier yields are answered from the snapshot at once, and the last one goes on.
    """

    def __init__(
        self,
        attempt_id: str,
        pipeline: AnyPipeline,
        params: Params,
        images: Mapping[str, np.ndarray],
        models: PinnedModels,
        snapshot: Snapshot | None,
        priority: Priority = "normal",
        safety_models: Sequence[str] = (),
        auditor: Executor | None = None,
        plain: bool = False,
    ) -> None:
        """`models` include `safety_models`, which audit the result in a thread of `auditor`; without any there is no
        audit."""
        self.attempt_id = attempt_id
        self.priority = priority
        self.safety_models = safety_models
        self.trajectories: list[Trajectory] = []
        self.previewed_at = 0.0
        self.expected_rows = 2 * pipeline.work(params).images
        self._pipeline, self._params, self._images = pipeline, params, images
        self._models = models
        self._snapshot = snapshot or Snapshot()
        self._recipe: Recipe | None = None
        self._auditor = auditor
        self._plain = plain
        self._audit: Future[TaskResult] | None = None
        """The audit of the result, once there is one."""
        self._answered: list[tuple[State, ...]] = []
        self._earlier_steps = 0
        self._parts: defaultdict[str, float] = defaultdict(float)
        self._denoised = False
        self._warnings: dict[str, None] = {}
        self._added_at = self._started_at = self._part_began_at = time.monotonic()

    @property
    def started(self) -> bool:
        return self._recipe is not None

    @property
    def model_entries(self) -> Sequence[ModelEntry]:
        """What its models are loaded from."""
        return self._models.entries

    @property
    def ready(self) -> bool:
        """Whether `resume` can be called: the models are resident, the trajectories of the last yield are done, or the
        audit is."""
        if self._audit is not None:
            return self._audit.done()
        return self._models.ready if self._recipe is None else all(each.done for each in self.trajectories)

    def step_priority(self, capacity: Capacity) -> StepPriority:
        remaining_s = 0.0
        for each in self.trajectories:
            if not each.done and not capacity.gains(key_of(each)):
                for depth, steps in each.ahead.items():
                    remaining_s += steps * (capacity.seconds(key_of(each, depth), each.rows) or 0.0)
        return StepPriority.of(self.priority, self._added_at, remaining_s)

    @property
    def progress(self) -> tuple[int, int]:
        """Steps done, and steps known so far."""
        done = sum(each.index for each in self.trajectories)
        known = sum(len(each.table) for each in self.trajectories)
        return self._earlier_steps + done, self._earlier_steps + known

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by stage: load, run, and audit if there was one."""
        load_s, run_s = self._started_at - self._added_at, time.monotonic() - self._started_at
        if "audit" not in self._parts:
            return {"load": load_s, "run": run_s}
        return {"load": load_s, "run": run_s - self._parts["audit"], "audit": self._parts["audit"]}

    @property
    def parts(self) -> dict[str, float]:
        """Seconds of the stage `run` by part: prepare (the recipe up to its first denoise requests), denoise (steps;
        or the whole recipe, if it denoises nothing), decode (the recipe after its last denoise requests)."""
        return {part: seconds for part, seconds in self._parts.items() if part != "audit"}

    def resume(self) -> TaskResult | None:
        """Runs the recipe to its next yield; returns its result once it has one and the audit is done. Raises
        NotFiniteError."""
        if self._audit is not None:
            self._end_part("audit")
            return self._audit.result()
        self._end_part("denoise")
        try:
            requests = self._start() if self._recipe is None else self._send(self._recipe)
        except StopIteration as stop:
            result: TaskResult = stop.value
        else:
            self._end_part("prepare" if requests else "denoise")
            self._denoised = self._denoised or bool(requests)
            self._warnings |= dict.fromkeys(text for each in requests for text in each.checkpoint.warnings)
            self.trajectories = _trajectories(requests, self._plain, *self._snapshot.yields[-1:])
            self._snapshot = Snapshot()
            return None
        self._end_part("decode" if self._denoised else "denoise")
        result = replace(result, warnings=(*self._warnings, *result.warnings))
        if not (self.safety_models and self._auditor):
            return result
        # In a thread, since a net on the CPU takes as long as several steps of other tasks.
        models = [self._models.get(ModelRef(SAFETY_CHECKER, name)) for name in self.safety_models]
        self._audit = self._auditor.submit(without_unsafe, result, models)
        return None

    def preview(self) -> np.ndarray:
        """A small estimate of the image that is denoised now, uint8 RGB [h, w, 3]."""
        current = next((each for each in self.trajectories if not each.done), self.trajectories[-1])
        # A preview waits for the device anyway, so a task with such numbers ends early here.
        require_finite(f"the denoiser of model {current.denoise.checkpoint.name!r}", current.clean)
        return current.denoise.checkpoint.preview(current.guess)

    def snapshot(self) -> Snapshot:
        """What a later run of the same task needs to go on from here."""
        if self._recipe is None:
            return self._snapshot
        return Snapshot((*self._answered, tuple(each.state() for each in self.trajectories)))

    def close(self) -> None:
        """Ends the recipe where it is and releases its models."""
        try:
            if self._recipe is not None:
                with contextlib.suppress(Exception):
                    self._recipe.close()
        finally:
            if self._audit is None:
                self._models.release()
            else:  # a model must not be moved while it audits
                self._audit.cancel()
                self._audit.add_done_callback(lambda _: self._models.release())

    def _end_part(self, part: str) -> None:
        """Adds the time since the last call to `part`; time before the start of the recipe counts for no part."""
        now = time.monotonic()
        if self._recipe is not None:
            self._parts[part] += now - self._part_began_at
        self._part_began_at = now

    def _start(self) -> Sequence[Denoise]:
        self._started_at = time.monotonic()
        self._recipe = self._pipeline.run(self._params, self._models, self._images)
        requests = next(self._recipe)
        for states in self._snapshot.yields[:-1]:
            self.trajectories = _trajectories(requests, self._plain, states)
            requests = self._send(self._recipe)
        return requests

    def _send(self, recipe: Recipe) -> Sequence[Denoise]:
        states = tuple(each.state() for each in self.trajectories)
        for each, state in zip(self.trajectories, states, strict=True):
            # On the CPU already. A number that is not finite stays so in all later steps, for every step is a sum of
            # latents and outputs: this one check covers the output of each step.
            require_finite(f"the denoiser of model {each.denoise.checkpoint.name!r}", state["latents"][0])
        self._answered.append(states)
        self._earlier_steps, latents = self.progress[0], [each.clean for each in self.trajectories]
        self.trajectories = []
        return recipe.send(latents)


def _trajectories(requests: Sequence[Denoise], plain: bool, states: Sequence[State] | None = None) -> list[Trajectory]:
    if states is None:
        return [Trajectory(request, plain=plain) for request in requests]
    return [Trajectory(request, state, plain) for request, state in zip(requests, states, strict=True)]
