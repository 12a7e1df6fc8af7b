"""The engine against diffusers' own pipelines, and what can happen to a task while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from models.conditioning import Conditioning, Prompts
from models.diffusion.checkpoint import Checkpoint
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.engine.engine import DuplicateAttemptError, Engine
from pipelines.engine.events import Advanced, Failed, Finished
from pipelines.engine.scheduling.batch_key import key_of
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.trajectory import Trajectory
from pipelines.img2img import Img2Img
from pipelines.pipeline import Models, Params, Pipeline, Recipe, TaskResult, Work
from pipelines.sampler_names import SAMPLERS
from pipelines.txt2img import Txt2Img
from tests.pipelines.conftest import EvenCapacity, Shelf, images_of, run_dry
from tests.support.diffusers_reference import SIDE, DiffusersReference, max_difference, txt2img_params

# diffusers rounds noise levels past the end of their range.
pytestmark = pytest.mark.filterwarnings("ignore:Should have ta>=t0:UserWarning")

TXT2IMG, IMG2IMG = Txt2Img(), Img2Img()


@pytest.mark.parametrize(
    ("model", "kind", "names"),
    [
        ("toy-sd1", diffusers.StableDiffusionPipeline, SAMPLERS),
        ("toy-sd2", diffusers.StableDiffusionPipeline, SAMPLERS),
        ("toy-sdxl", diffusers.StableDiffusionXLPipeline, SAMPLERS),
    ],
)
def test_mixed_batch_equals_diffusers_alone(
    engine: Engine, models_dir: Path, model: str, kind: Any, names: tuple[str, ...]
) -> None:
    stock = DiffusersReference(kind, models_dir / model)
    requests = {name: txt2img_params(index, sampler=name, model=model) for index, name in enumerate(names)}
    for name, params in requests.items():
        engine.add(name, TXT2IMG, params, {})
    images = images_of(run_dry(engine))
    differences = {
        name: max_difference(images[name][0], stock.image(params, width=SIDE, height=SIDE))
        for name, params in requests.items()
    }
    assert max(differences.values()) <= 1, differences


def test_img2img_equals_diffusers_alone(engine: Engine, models_dir: Path) -> None:
    stock = DiffusersReference(diffusers.StableDiffusionImg2ImgPipeline, models_dir / "toy-sd1")
    ramp = np.linspace(0, 255, SIDE * SIDE * 3).reshape(SIDE, SIDE, 3).astype(np.uint8)
    requests = {
        name: Img2Img.Params(
            url="http://example.com/a.png",
            text="a cat",
            model="toy-sd1",
            sampler=name,
            fidelity=0.25,
            num_steps=8,
            seed=index,
        )
        for index, name in enumerate(SAMPLERS)
    }
    for name, params in requests.items():
        engine.add(name, IMG2IMG, params, {"url": ramp})
    images = images_of(run_dry(engine))
    differences = {
        name: max_difference(images[name][0], stock.image(params, image=Image.fromarray(ramp), strength=0.75))
        for name, params in requests.items()
    }
    assert max(differences.values()) <= 1, differences


def test_batch_neighbours_do_not_change_an_image(engine: Engine) -> None:
    requests = {str(index): txt2img_params(index, sampler=SAMPLERS[index]) for index in range(10)}
    for name, params in requests.items():
        engine.add(name, TXT2IMG, params, {})
    together = images_of(run_dry(engine))
    for name, params in requests.items():
        engine.add(name, TXT2IMG, params, {})
        assert max_difference(images_of(run_dry(engine))[name][0], together[name][0]) <= 1


def test_images_of_one_task_are_those_of_their_seeds(engine: Engine) -> None:
    engine.add("both", TXT2IMG, txt2img_params(1, num_samples=2), {})
    both = images_of(run_dry(engine))["both"]
    engine.add("second", TXT2IMG, txt2img_params(1).model_copy(update={"seed": 102}), {})
    assert max_difference(images_of(run_dry(engine))["second"][0], both[1]) <= 1


@pytest.mark.parametrize("steps_before", [0, 1, 3, 4])
def test_parked_task_ends_in_the_identical_image(shelf: Shelf, steps_before: int) -> None:
    """Parked before the start, in the first pass, and in the second, which has an earlier yield to answer."""
    params = txt2img_params(0, sampler="dpmpp_2m_sde", highres_info={"upscale_factor": 1.5, "fidelity": 0.2})
    engine, elsewhere = Engine(shelf, EvenCapacity()), Engine(shelf, EvenCapacity())
    engine.add("task", TXT2IMG, params, {})
    expected = images_of(run_dry(engine))["task"]

    engine.add("task", TXT2IMG, params, {})
    for _ in range(steps_before):
        engine.step()
    parked = engine.park("task")
    assert parked is not None
    assert not engine.busy
    assert shelf.held == 0
    elsewhere.add("task", TXT2IMG, params, {}, parked)
    assert np.array_equal(images_of(run_dry(elsewhere))["task"][0], expected[0])


def test_add_refuses_an_attempt_that_runs(engine: Engine, shelf: Shelf) -> None:
    engine.add("task", TXT2IMG, txt2img_params(0), {})
    with pytest.raises(DuplicateAttemptError, match="running already"):
        engine.add("task", TXT2IMG, txt2img_params(0), {})
    assert shelf.held == 1


def test_park_and_abort_ignore_unknown_attempts(engine: Engine) -> None:
    assert engine.park("unknown") is None
    assert not engine.abort("unknown")


def test_progress_is_reported_each_step(engine: Engine) -> None:
    engine.add("task", TXT2IMG, txt2img_params(0, sampler="euler"), {})
    events = run_dry(engine)
    advanced = [event for event in events if isinstance(event, Advanced)]
    assert [(event.step, event.steps) for event in advanced] == [(1, 3), (2, 3), (3, 3)]
    assert advanced[0].preview is not None
    assert advanced[0].preview.shape == (SIDE // 8, SIDE // 8, 3)
    assert isinstance(events[-1], Finished)


def test_abort_takes_effect_at_the_next_step(engine: Engine, shelf: Shelf) -> None:
    engine.add("stays", TXT2IMG, txt2img_params(0), {})
    engine.add("goes", TXT2IMG, txt2img_params(1), {})
    engine.step()
    assert engine.abort("goes")
    assert {event.attempt_id for event in run_dry(engine)} == {"stays"}
    assert shelf.held == 0


def test_task_waits_until_its_models_are_resident(engine: Engine, shelf: Shelf) -> None:
    shelf.ready = False
    engine.add("task", TXT2IMG, txt2img_params(0), {})
    assert engine.step() == []
    assert engine.busy
    shelf.ready = True
    assert images_of(run_dry(engine))


def test_room_is_what_the_batch_can_still_hold(engine: Engine) -> None:
    empty = engine.room
    assert empty >= 1
    engine.add("task", TXT2IMG, txt2img_params(0), {})
    assert engine.room == empty - 1
    engine.step()
    assert engine.room >= 0
    run_dry(engine)
    assert engine.room >= 1


class Narrow:
    """A checkpoint whose device has room for so many rows, and no more."""

    def __init__(self, checkpoint: Checkpoint, rows: int) -> None:
        self._checkpoint, self._rows = checkpoint, rows
        self.refused: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._checkpoint, name)

    def predict(
        self, latents: torch.Tensor, timesteps: torch.Tensor, conditioning: Conditioning, **more: Any
    ) -> torch.Tensor:
        if len(latents) > self._rows:
            self.refused.append(len(latents))
            raise torch.OutOfMemoryError(f"{len(latents)} rows")
        return self._checkpoint.predict(latents, timesteps, conditioning, **more)


def test_oversized_batch_is_split_and_not_tried_again(sd1: Checkpoint, engine: Engine) -> None:
    narrow = Narrow(sd1, 2)
    small = Engine(Shelf(narrow), EvenCapacity())
    requests = {str(index): txt2img_params(index, sampler="euler_a") for index in range(4)}
    for name, params in requests.items():
        small.add(name, TXT2IMG, params, {})
        engine.add(name, TXT2IMG, params, {})
    found, expected = images_of(run_dry(small)), images_of(run_dry(engine))
    assert all(max_difference(found[name][0], expected[name][0]) <= 1 for name in requests)
    assert narrow.refused == [7, 4, 3, 3]  # once more without the memory of the step of two rows


def test_oversized_image_fails_alone(sd1: Checkpoint) -> None:
    shelf = Shelf(Narrow(sd1, 1))
    small = Engine(shelf, EvenCapacity())
    small.add("guided", TXT2IMG, txt2img_params(0), {})
    small.add("unguided", TXT2IMG, txt2img_params(3), {})
    events = run_dry(small)
    failure = next(event for event in events if isinstance(event, Failed))
    assert (failure.attempt_id, failure.code) == ("guided", "out_of_memory")
    assert "smaller" in failure.message
    assert [event.attempt_id for event in events if isinstance(event, Finished)] == ["unguided"]
    assert shelf.held == 0


class Broken(Pipeline[Params]):
    """Raises at `where`."""

    names = ("broken",)
    title = "Broken"
    Params = Params

    def __init__(self, where: str) -> None:
        self._where = where

    def needs(self, params: Params) -> tuple[AnyModelRef, ...]:
        return (ModelRef(CHECKPOINT, "toy-sd1"),)

    def work(self, params: Params) -> Work:
        return Work(pixels=SIDE * SIDE, images=1, steps=1)

    def run(self, params: Params, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        self._raise("start")
        checkpoint = models.get(ModelRef(CHECKPOINT, "toy-sd1"))
        request = txt2img_params(0)
        denoise = request.denoise_request(checkpoint, request.noises()[0], SIDE, SIDE)
        if self._where == "conditioning":
            positive = Conditioning(denoise.prompts[0].positives[0].embeds[..., :7])
            denoise = replace(denoise, prompts=(Prompts((positive,), None),), steps=2)
        try:
            yield [denoise]
        finally:
            self._raise("cleanup")
        self._raise("end")
        return TaskResult()

    def _raise(self, where: str) -> None:
        if where == self._where:
            raise RuntimeError(f"broken at the {where}")


@pytest.mark.parametrize("where", ["start", "conditioning", "end"])
def test_broken_recipe_fails_alone(engine: Engine, shelf: Shelf, where: str) -> None:
    engine.add("sound", TXT2IMG, txt2img_params(0), {})
    engine.add("broken", Broken(where), Params(), {})
    events = run_dry(engine)
    failure = next(event for event in events if isinstance(event, Failed))
    assert (failure.attempt_id, failure.code) == ("broken", "internal")
    assert "Traceback" in failure.trace
    assert [event.attempt_id for event in events if isinstance(event, Finished)] == ["sound"]
    assert shelf.held == 0


def test_abort_releases_models_of_a_recipe_that_raises_on_close(engine: Engine, shelf: Shelf) -> None:
    engine.add("broken", Broken("cleanup"), Params(), {})
    engine.step()
    assert engine.abort("broken")
    assert shelf.held == 0


def test_source_of_another_shape_is_refused_with_advice(engine: Engine) -> None:
    class Mismatched(Broken):
        def run(self, params: Params, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
            request, checkpoint = txt2img_params(0), models.get(ModelRef(CHECKPOINT, "toy-sd1"))
            yield [request.denoise_request(checkpoint, request.noises()[0], SIDE, SIDE, source=torch.zeros(1, 4, 3, 3))]
            return TaskResult()

    engine.add("task", Mismatched(""), Params(), {})
    (failure,) = run_dry(engine)
    assert isinstance(failure, Failed)
    assert failure.code == "bad_input"
    assert "resize" in failure.message


class Tiles(Broken):
    """Works by itself, and yields nothing after each tile so that others may go on."""

    def run(self, params: Params, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        for _ in range(3):
            yield []
        return TaskResult([np.zeros((8, 8, 3), np.uint8)])


def test_empty_yields_let_other_tasks_step(engine: Engine) -> None:
    engine.add("tiles", Tiles(""), Params(), {})
    engine.add("other", TXT2IMG, txt2img_params(0), {})
    events = run_dry(engine)
    order = [event.attempt_id for event in events if isinstance(event, Advanced | Finished)]
    assert order.index("tiles") == 3
    assert len(images_of(events)) == 2


def test_unknown_model_fails_the_task(sd1: Checkpoint) -> None:
    class Bare:
        def acquire(self, names: object) -> Any:
            raise KeyError("no such model")

    engine = Engine(Bare(), EvenCapacity())
    engine.add("task", TXT2IMG, txt2img_params(0), {})
    assert engine.busy
    (failure,) = run_dry(engine)
    assert isinstance(failure, Failed)


def test_task_of_another_size_waits_for_the_oldest(engine: Engine) -> None:
    engine.add("oldest", TXT2IMG, txt2img_params(0), {})
    engine.add("wider", TXT2IMG, txt2img_params(1).model_copy(update={"w": SIDE + 8}), {})
    engine.add("joins", TXT2IMG, txt2img_params(5), {})
    order = [event.attempt_id for event in run_dry(engine) if isinstance(event, Advanced)]
    assert order == ["oldest", "joins"] * 3 + ["wider"] * 4


def test_oldest_task_finishes_first_in_small_batches(shelf: Shelf) -> None:
    class One(Capacity):
        def rows(self, key: object) -> int:
            return 2

    engine = Engine(shelf, One())
    for index in (0, 1, 2):
        engine.add(str(index), TXT2IMG, txt2img_params(index, sampler="euler"), {})
    finished = [event.attempt_id for event in run_dry(engine) if isinstance(event, Advanced | Finished)]
    assert finished == sorted(finished)


def test_higher_priority_takes_the_device_at_the_next_step(engine: Engine) -> None:
    engine.add("alone", TXT2IMG, txt2img_params(1, sampler="euler_a"), {})
    expected = images_of(run_dry(engine))["alone"][0]

    engine.add("low", TXT2IMG, txt2img_params(1, sampler="euler_a"), {}, priority="low")
    engine.step()
    engine.add("high", TXT2IMG, txt2img_params(0).model_copy(update={"w": SIDE + 8}), {}, priority="high")
    events = run_dry(engine)
    order = [event.attempt_id for event in events if isinstance(event, Advanced)]
    assert order == ["high"] * 3 + ["low"] * 3
    assert np.array_equal(images_of(events)["low"][0], expected)


def test_shortest_task_finishes_first_if_batching_gains_nothing(shelf: Shelf, sd1: Checkpoint) -> None:
    capacity = Capacity()
    denoise = txt2img_params(0).denoise_request(sd1, txt2img_params(0).noises()[0], SIDE, SIDE)
    for rows, seconds in ((2, 5.0), (4, 10.0)) * 2:
        capacity.observe(key_of(Trajectory(denoise)), rows, seconds)
    engine = Engine(shelf, capacity)
    engine.add("long", TXT2IMG, txt2img_params(0, sampler="euler").model_copy(update={"num_steps": 8}), {})
    engine.step()
    engine.add("short", TXT2IMG, txt2img_params(0, sampler="euler"), {})
    finished = [event.attempt_id for event in run_dry(engine) if isinstance(event, Finished)]
    assert finished == ["short", "long"]


def test_strict_image_is_identical_alone_and_under_load(engine: Engine) -> None:
    strict = [txt2img_params(index, sampler=SAMPLERS[index], determinism="strict") for index in (4, 7)]
    alone = []
    for params in strict:
        engine.add("task", TXT2IMG, params, {})
        alone.append(images_of(run_dry(engine))["task"][0])
    for index in range(5):
        engine.add(f"load {index}", TXT2IMG, txt2img_params(index, sampler="dpmpp_2m"), {})
        if index in (2, 4):
            engine.add(f"strict {index}", TXT2IMG, strict[index // 4], {})
    together = images_of(run_dry(engine))
    assert np.array_equal(together["strict 2"][0], alone[0])
    assert np.array_equal(together["strict 4"][0], alone[1])


def test_strict_tasks_share_no_step(engine: Engine) -> None:
    for name in ("one", "other"):
        engine.add(name, TXT2IMG, txt2img_params(0, sampler="euler", determinism="strict"), {})
    assert len([event for event in engine.step() if isinstance(event, Advanced)]) == 1
    assert len(images_of(run_dry(engine))) == 2
