"""One task's recipe under way: the generator, what it yielded, and the models it holds."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.kinds.kind import ModelRef
from models.kinds.safety_checker import SAFETY_CHECKER
from pipelines.engine.audit import judged
from pipelines.engine.scheduling.batch_key import key_of
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.scheduling.priority import Priority, StepPriority
from pipelines.engine.trajectory import State, Trajectory
from pipelines.pipeline import AnyPipeline, Denoise, Models, Params, Recipe, TaskResult


class PinnedModels(Models, Protocol):
    """What a run needs of the handle on its models, see `ModelHandle`."""

    @property
    def ready(self) -> bool:
        """Raises ModelLoadError if a model cannot be loaded."""
        ...

    def release(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Parked:
    """A recipe at rest: the trajectories of every yield so far, in order; the last yield is the one under way."""

    yields: tuple[tuple[State, ...], ...] = ()


class Run:
    """A recipe, from the wish for its models to its images.

    A generator cannot be carried elsewhere, but what it was sent can: a parked recipe is run again, its earlier yields
    are answered at once, and the last one goes on where it stood.
    """

    def __init__(
        self,
        task_id: str,
        pipeline: AnyPipeline,
        params: Params,
        images: Mapping[str, np.ndarray],
        models: PinnedModels,
        parked: Parked | None,
        priority: Priority = "normal",
        judge: str = "",
    ) -> None:
        """`judge` names the model that its pictures have to pass, if any; it must be held too."""
        self.task_id = task_id
        self.priority = priority
        self.judge = judge
        self.trajectories: list[Trajectory] = []
        self.previewed_at = 0.0
        self.expected_rows = 2 * pipeline.work(params).images
        self._pipeline, self._params, self._images = pipeline, params, images
        self._models = models
        self._parked = parked or Parked()
        self._recipe: Recipe | None = None
        self._past: list[tuple[State, ...]] = []
        self._earlier_steps = 0
        self._spent: defaultdict[str, float] = defaultdict(float)
        self._denoised = False
        self._added_at = self._started_at = self._spent_until = time.monotonic()

    @property
    def started(self) -> bool:
        return self._recipe is not None

    @property
    def ready(self) -> bool:
        """Whether the recipe can go on: its models are resident, and what it yielded is denoised."""
        return self._models.ready if self._recipe is None else all(each.done for each in self.trajectories)

    def turn(self, capacity: Capacity) -> StepPriority:
        """When it is its turn to step, beside others that wait as well."""
        remaining_s = 0.0
        for each in self.trajectories:
            if not each.done and not capacity.gains(key_of(each)):
                for depth, steps in each.ahead.items():
                    remaining_s += steps * (capacity.seconds(key_of(each, depth), each.rows) or 0.0)
        return StepPriority.of(self.priority, self._added_at, remaining_s)

    @property
    def progress(self) -> tuple[int, int]:
        """Steps taken and steps known of."""
        taken = sum(each.index for each in self.trajectories)
        known = sum(len(each.table) for each in self.trajectories)
        return self._earlier_steps + taken, self._earlier_steps + known

    @property
    def seconds(self) -> tuple[float, float]:
        """How long it waited for its models, and how long it has run since."""
        return self._started_at - self._added_at, time.monotonic() - self._started_at

    @property
    def parts(self) -> dict[str, float]:
        """What the seconds since its start went into: prepare (the recipe up to what is to be denoised), denoise
        (steps, or tiles where nothing is), decode (the recipe after it), audit."""
        return dict(self._spent)

    def resume(self) -> TaskResult | None:
        """Runs the recipe to its next yield; answers what it made if it returned instead."""
        self._spend("denoise")
        try:
            wishes = self._start() if self._recipe is None else self._send(self._recipe)
        except StopIteration as finished:
            made: TaskResult = finished.value
        else:
            self._spend("prepare" if wishes else "denoise")
            self._denoised = self._denoised or bool(wishes)
            self.trajectories = _trajectories(wishes, *self._parked.yields[-1:])
            self._parked = Parked()
            return None
        self._spend("decode" if self._denoised else "denoise")
        return self._audited(made)

    def preview(self) -> np.ndarray:
        """A small guess, uint8 RGB, of the image that is being worked on."""
        current = next((each for each in self.trajectories if not each.done), self.trajectories[-1])
        return current.denoise.checkpoint.preview(current.guess)

    def park(self) -> Parked:
        """What a later run of the same task needs to go on from here."""
        if self._recipe is None:
            return self._parked
        return Parked((*self._past, tuple(each.state() for each in self.trajectories)))

    def close(self) -> None:
        """Ends the recipe where it stands and lets its models go."""
        try:
            if self._recipe is not None:
                with contextlib.suppress(Exception):
                    self._recipe.close()
        finally:
            self._models.release()

    def _audited(self, made: TaskResult) -> TaskResult:
        if self.judge:
            made = judged(made, self._models.get(ModelRef(SAFETY_CHECKER, self.judge)))
            self._spend("audit")
        return made

    def _spend(self, part: str) -> None:
        """The time since it was last called went into this; before the recipe has started, into nothing."""
        now = time.monotonic()
        if self._recipe is not None:
            self._spent[part] += now - self._spent_until
        self._spent_until = now

    def _start(self) -> Sequence[Denoise]:
        self._started_at = time.monotonic()
        self._recipe = self._pipeline.run(self._params, self._models, self._images)
        wishes = next(self._recipe)
        for states in self._parked.yields[:-1]:
            self.trajectories = _trajectories(wishes, states)
            wishes = self._send(self._recipe)
        return wishes

    def _send(self, recipe: Recipe) -> Sequence[Denoise]:
        self._past.append(tuple(each.state() for each in self.trajectories))
        self._earlier_steps, latents = self.progress[0], [each.clean for each in self.trajectories]
        self.trajectories = []
        return recipe.send(latents)


def _trajectories(wishes: Sequence[Denoise], states: Sequence[State] | None = None) -> list[Trajectory]:
    if states is None:
        return [Trajectory(wish) for wish in wishes]
    return [Trajectory(wish, state) for wish, state in zip(wishes, states, strict=True)]
