"""What is judged, and what becomes of pictures that are minded; the toy model minds fish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch

import pipelines
from models.kinds.kind import AnyModelRef, ModelRef
from models.kinds.safety_checker import SAFETY_CHECKER
from models.registry.registry import Registry
from models.toy.safety import MINDED
from models.toy.training import pictures
from models.toy.world import NOUNS, Scene, Thing
from models.vision.safety_checker import SafetyChecker
from pipelines.engine import engine as engine_module
from pipelines.engine.audit import Audit, AuditError, without_unsafe
from pipelines.engine.engine import Engine
from pipelines.engine.events import Advanced, Event, Failed, Finished
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.pipeline import Models, Params, Pipeline, Recipe, TaskResult, Work
from tests.pipelines.conftest import LONG_S, run_dry

JUDGE = Audit("toy-safety")
PLACE = list(NOUNS).index(MINDED)
REASON = f"unsafe/concept {PLACE}"


def drawing(noun: str) -> np.ndarray:
    scene = Scene([Thing(noun, "orange", "", "", 0.5, 0.5, 0.62)], "on the grass", "flat", 1)
    return pictures.drawn([scene])[0].permute(1, 2, 0).contiguous().numpy()


@pytest.fixture(scope="module")
def toy(registry: Registry) -> Iterator[SafetyChecker]:
    with registry.acquire(["toy-safety"]) as hold:
        assert hold.wait(LONG_S)
        yield hold.get(ModelRef(SAFETY_CHECKER, "toy-safety"))


class Drawing(Pipeline[Params]):
    """Draws what it is told to."""

    names = ("test.drawing",)
    title = "Drawing"
    Params = Params

    def __init__(self, made: TaskResult) -> None:
        self._made = made

    def needs(self, params: Params) -> tuple[AnyModelRef, ...]:
        return ()

    def work(self, params: Params) -> Work:
        return Work(64, 1, 1)

    def run(self, params: Params, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        yield []
        return self._made


def ended(engine: Engine, made: TaskResult) -> Event:
    engine.add("task", Drawing(made), Params(), {})
    return run_dry(engine)[-1]


@pytest.mark.parametrize(
    ("name", "params", "judges"),
    [
        ("txt2img.sd", {"text": "a"}, True),
        ("img2img.sod", {"url": "a"}, True),
        ("cv.blur", {"url": "a"}, True),
        ("pipeline.paste", {"url": "a", "bg_url": "b", "a": 1, "b": 0, "c": 0, "d": 1, "e": 0, "f": 0}, True),
        ("control.canny_hint", {"url": "a"}, True),
        ("img2img.sr", {"url": "a"}, False),
        ("img2txt.caption", {"url": "a"}, False),
        ("cv.get_size", {"url": "a"}, False),
        ("control.canny", {"url": "a", "text": "b"}, False),
        ("control.canny", {"url": "a", "text": "b", "use_audit": True}, True),
        ("control_new.canny", {"hint_url": "a", "use_audit": True}, True),
        ("workflow", {"nodes": [{"key": "a", "endpoint": "txt2img.sd", "data": {"text": "a"}}], "target": "a"}, False),
    ],
)
def test_what_the_origin_judges_is_judged(name: str, params: dict[str, Any], judges: bool) -> None:
    pipeline = pipelines.find(name)
    asked = pipeline.Params.model_validate(params)
    assert JUDGE.model_for(pipeline, asked) == ("toy-safety" if judges else "")
    assert Audit("toy-safety", every=True).model_for(pipeline, asked) == ("" if pipeline.answers else "toy-safety")
    assert Audit(every=True).model_for(pipeline, asked) == ""


def test_whatever_is_judged_on_request_can_be_asked_for() -> None:
    on_request = [pipeline for pipeline in pipelines.every() if pipeline.audited == "on_request"]
    assert {pipeline.names[0].partition(".")[0] for pipeline in on_request} == {"control", "control_new", "workflow"}
    assert all("use_audit" in pipeline.Params.model_fields for pipeline in on_request)


def test_of_a_picture_that_is_minded_only_its_size_is_left(toy: SafetyChecker) -> None:
    bad, good = drawing(MINDED), drawing("house")
    made = without_unsafe(TaskResult([good, bad], [bad], {"a": 1}), toy)
    assert list(made.reasons) == ["", REASON, REASON]
    assert [each.any() for each in (*made.images, *made.hints)] == [True, False, False]
    assert made.images[0] is good
    assert made.images[1].shape == bad.shape
    assert made.answer == {"a": 1}


def test_pictures_are_judged_in_the_engine_and_counted_as_a_part(registry: Registry) -> None:
    event = ended(Engine(registry, Capacity(), audit=JUDGE), TaskResult([drawing(MINDED)]))
    assert isinstance(event, Finished)
    assert list(event.result.reasons) == [REASON]
    assert (list(event.seconds), list(event.parts)) == (["load", "run", "audit"], ["denoise"])


def test_without_an_audit_nothing_is_judged(registry: Registry) -> None:
    picture = drawing(MINDED)
    event = ended(Engine(registry, Capacity()), TaskResult([picture]))
    assert isinstance(event, Finished)
    assert (event.result.images[0] is picture, event.result.reasons) == (True, ())


def test_what_could_not_be_judged_is_not_handed_out(registry: Registry, toy: SafetyChecker) -> None:
    weight = toy._net.visual_projection.weight
    kept = weight.clone()
    weight.fill_(torch.nan)
    event = ended(Engine(registry, Capacity(), audit=JUDGE), TaskResult([drawing("house")]))
    weight.copy_(kept)
    assert isinstance(event, Failed)
    assert event.code == AuditError.code
    assert "HUA_AUDIT" in event.message
    assert "SafetyError" in event.trace


def test_a_judge_that_cannot_be_loaded_fails_the_task(registry: Registry) -> None:
    event = ended(Engine(registry, Capacity(), audit=Audit("toy-lama")), TaskResult([drawing("house")]))
    assert isinstance(event, Failed)
    assert "cannot judge an image" in event.message


def test_what_is_to_be_judged_is_shown_to_nobody_before(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "PREVIEW_EVERY_S", 0.0)
    pipeline = pipelines.find("txt2img.sd")
    asked = pipeline.Params(text="a house", w=64, h=64, num_steps=2, seed=1)

    def previews(engine: Engine) -> list[bool]:
        engine.add("task", pipeline, asked, {})
        return [event.preview is not None for event in run_dry(engine) if isinstance(event, Advanced)]

    assert previews(Engine(registry, Capacity())) == [True, True]
    assert previews(Engine(registry, Capacity(), audit=JUDGE)) == [False, False]


def test_of_what_the_toy_paints_fish_alone_are_withheld(registry: Registry) -> None:
    engine, pipeline = Engine(registry, Capacity(), audit=JUDGE), pipelines.find("txt2img.sd")
    for noun in (MINDED, "house"):
        text = f"an orange {noun} on the grass"
        asked = pipeline.Params(text=text, w=128, h=128, num_steps=12, seed=1, guidance_scale=5, num_samples=2)
        engine.add(noun, pipeline, asked, {})
    finished = {event.attempt_id: event.result for event in run_dry(engine) if isinstance(event, Finished)}
    assert list(finished[MINDED].reasons) == [REASON] * 2
    assert list(finished["house"].reasons) == [""] * 2
    assert finished["house"].images[0].any()
