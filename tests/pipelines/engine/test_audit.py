"""Which tasks are audited, and what becomes of unsafe images; for the toy model, fish are unsafe."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
import torch

import pipelines
from models.kinds.kind import AnyModelRef, ModelRef
from models.kinds.safety_checker import SAFETY_CHECKER
from models.registry.registry import Registry
from models.toy.safety import FLAGGED
from models.toy.training import pictures
from models.toy.world import NOUNS, Scene, Thing
from models.vision.safety_checker import SafetyChecker
from pipelines.engine import engine as engine_module
from pipelines.engine.audit import AuditError, without_unsafe
from pipelines.engine.audit_policy import AuditPolicy
from pipelines.engine.engine import Engine
from pipelines.engine.events import Advanced, Event, Failed, Finished
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.pipeline import Models, Params, Pipeline, Recipe, TaskResult, Work
from tests.pipelines.conftest import LONG_S, run_dry
from tests.support.nets import net_of

AUDIT = AuditPolicy(("toy-safety",))
CONCEPT = list(NOUNS).index(FLAGGED)
REASON = f"unsafe/concept {CONCEPT}"
TWO_STEPS = pipelines.find("txt2img.sd").Params(text="a house", w=64, h=64, num_steps=2, seed=1)


def drawing(noun: str) -> np.ndarray:
    scene = Scene([Thing(noun, "orange", "", "", 0.5, 0.5, 0.62)], "on the grass", "flat", 1)
    return pictures.drawn([scene])[0].permute(1, 2, 0).contiguous().numpy()


@pytest.fixture(scope="module")
def toy(registry: Registry) -> Iterator[SafetyChecker]:
    with registry.acquire(["toy-safety"]) as hold:
        assert hold.wait(LONG_S)
        yield hold.get(ModelRef(SAFETY_CHECKER, "toy-safety"))


class Drawing(Pipeline[Params]):
    """Returns a fixed result."""

    names = ("test.drawing",)
    title = "Drawing"
    Params = Params

    def __init__(self, result: TaskResult) -> None:
        self._result = result

    def needs(self, params: Params) -> tuple[AnyModelRef, ...]:
        return ()

    def work(self, params: Params) -> Work:
        return Work(64, 1, 1)

    def run(self, params: Params, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        yield []
        return self._result


def last_event(engine: Engine, result: TaskResult) -> Event:
    engine.add("task", Drawing(result), Params(), {})
    return run_dry(engine)[-1]


@pytest.mark.parametrize(
    ("name", "params", "audited"),
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
def test_model_for_audits_the_types_of_carefree_creator(name: str, params: dict[str, Any], audited: bool) -> None:
    pipeline = pipelines.find(name)
    validated = pipeline.Params.model_validate(params)
    assert AUDIT.models_for(pipeline, validated) == (("toy-safety",) if audited else ())
    for policy, images in (AuditPolicy(("a", "b"), every=True), "default"), (AuditPolicy(("a", "b")), "all"):
        assert policy.models_for(pipeline, validated, images) == (() if pipeline.answers else ("a", "b"))
    assert AuditPolicy(("a",), every=True).models_for(pipeline, validated, "off") == ()
    assert AuditPolicy(every=True).models_for(pipeline, validated) == ()


def test_types_audited_on_request_have_use_audit() -> None:
    on_request = [pipeline for pipeline in pipelines.every() if pipeline.audited == "on_request"]
    assert {pipeline.names[0].partition(".")[0] for pipeline in on_request} == {"control", "control_new", "workflow"}
    assert all("use_audit" in pipeline.Params.model_fields for pipeline in on_request)


def test_unsafe_image_keeps_only_its_size(toy: SafetyChecker) -> None:
    bad, good = drawing(FLAGGED), drawing("house")
    result = without_unsafe(TaskResult([good, bad], [bad], {"a": 1}), [toy])
    assert list(result.reasons) == ["", REASON, REASON]
    assert [each.any() for each in (*result.images, *result.hints)] == [True, False, False]
    assert result.images[0] is good
    assert result.images[1].shape == bad.shape
    assert result.answer == {"a": 1}


def test_engine_audits_results_as_a_stage(registry: Registry) -> None:
    event = last_event(Engine(registry, Capacity(), audit=AUDIT), TaskResult([drawing(FLAGGED)]))
    assert isinstance(event, Finished)
    assert list(event.result.reasons) == [REASON]
    assert (list(event.seconds), list(event.parts)) == (["load", "run", "audit"], ["denoise"])


def test_engine_without_audit_returns_all_images(registry: Registry) -> None:
    picture = drawing(FLAGGED)
    event = last_event(Engine(registry, Capacity()), TaskResult([picture]))
    assert isinstance(event, Finished)
    assert (event.result.images[0] is picture, event.result.reasons) == (True, ())


def test_failed_audit_fails_the_task(registry: Registry, toy: SafetyChecker) -> None:
    weight = net_of(toy).visual_projection.weight
    original = weight.clone()
    weight.fill_(torch.nan)
    event = last_event(Engine(registry, Capacity(), audit=AUDIT), TaskResult([drawing("house")]))
    weight.copy_(original)
    assert isinstance(event, Failed)
    assert event.code == AuditError.code
    assert "HUA_AUDIT" in event.message
    assert "SafetyError" in event.trace


def test_model_that_cannot_audit_fails_the_task(registry: Registry) -> None:
    event = last_event(Engine(registry, Capacity(), audit=AuditPolicy(("toy-lama",))), TaskResult([drawing("house")]))
    assert isinstance(event, Failed)
    assert "cannot judge an image" in event.message


def test_audited_task_has_no_previews(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "PREVIEW_EVERY_S", 0.0)
    pipeline = pipelines.find("txt2img.sd")
    validated = pipeline.Params(text="a house", w=64, h=64, num_steps=2, seed=1)

    def previews(engine: Engine) -> list[bool]:
        engine.add("task", pipeline, validated, {})
        return [event.preview is not None for event in run_dry(engine) if isinstance(event, Advanced)]

    assert previews(Engine(registry, Capacity())) == [True, True]
    assert previews(Engine(registry, Capacity(), audit=AUDIT)) == [False, False]


def test_toy_model_withholds_only_fish(registry: Registry) -> None:
    engine, pipeline = Engine(registry, Capacity(), audit=AUDIT), pipelines.find("txt2img.sd")
    for noun in (FLAGGED, "house"):
        text = f"an orange {noun} on the grass"
        validated = pipeline.Params(text=text, w=128, h=128, num_steps=12, seed=1, guidance_scale=5, num_samples=2)
        engine.add(noun, pipeline, validated, {})
    finished = {event.attempt_id: event.result for event in run_dry(engine) if isinstance(event, Finished)}
    assert list(finished[FLAGGED].reasons) == [REASON] * 2
    assert list(finished["house"].reasons) == [""] * 2
    assert finished["house"].images[0].any()


class Objecting:
    """A safety model that waits for the test, and objects to every image for one reason."""

    def __init__(self, reason: str = "other") -> None:
        self.reason = reason
        self.called, self.released = threading.Event(), threading.Event()

    def reasons(self, images: Sequence[np.ndarray]) -> list[str]:
        self.called.set()
        assert self.released.wait(LONG_S)
        return [self.reason] * len(images)


def test_image_is_withheld_if_one_of_several_models_objects(toy: SafetyChecker) -> None:
    other, silent = Objecting(), Objecting("")
    for each in other, silent:
        each.released.set()
    pictures = TaskResult([drawing(FLAGGED), drawing("house")])
    assert list(without_unsafe(pictures, [silent, toy]).reasons) == [REASON, ""]
    assert list(without_unsafe(pictures, [toy, other]).reasons) == [REASON, "other"]


def test_slow_audit_delays_no_steps_of_others(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Objecting()
    monkeypatch.setattr(SafetyChecker, "reasons", lambda _, images: slow.reasons(images))
    engine = Engine(registry, Capacity(), audit=AUDIT)
    engine.add("slow", Drawing(TaskResult([drawing("house")])), Params(), {})
    while not slow.called.is_set():
        engine.step()
    engine.add("fast", pipelines.find("txt2img.sd"), TWO_STEPS, {}, image_audit="off")
    events: list[Event] = []
    while not any(isinstance(event, Finished) for event in events):
        events += engine.step()
    assert {event.attempt_id for event in events} == {"fast"}
    slow.released.set()
    (event,) = [event for event in run_dry(engine) if isinstance(event, Finished)]
    assert (event.attempt_id, list(event.result.reasons)) == ("slow", ["other"])


def test_task_parked_in_its_audit_is_audited_again(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, quick = Objecting(), Objecting()
    quick.released.set()
    audits = iter((slow, quick))
    monkeypatch.setattr(SafetyChecker, "reasons", lambda _, images: next(audits).reasons(images))
    engine = Engine(registry, Capacity(), audit=AUDIT)
    engine.add("task", pipelines.find("txt2img.sd"), TWO_STEPS, {})
    while not slow.called.is_set():
        engine.step()
    snapshot = engine.park("task")
    slow.released.set()
    engine.add("task", pipelines.find("txt2img.sd"), TWO_STEPS, {}, snapshot)
    events = run_dry(engine)
    assert not [event for event in events if isinstance(event, Advanced)]
    assert isinstance(events[-1], Finished)
    assert list(events[-1].result.reasons) == ["other"]
