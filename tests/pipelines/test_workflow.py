from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import pipelines
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelRef
from models.kinds.upscaler import UPSCALER
from pipelines.engine.events import Advanced, Failed, Finished
from pipelines.pipeline import TaskResult
from pipelines.workflow import Workflow
from tests.pipelines.conftest import Studio
from tests.support.pictures import random_pixels

WORKFLOW = pipelines.find("workflow")
PICTURE = "https://example.com/a.png"
SMALL = {"text": "a house", "w": 64, "h": 64, "num_steps": 2, "seed": 7, "model": "toy-sd1"}


def node(key: str, endpoint: str, data: dict[str, Any] | None = None, **injections: Any) -> dict[str, Any]:
    return {"key": key, "endpoint": endpoint, "data": data or {}, "injections": injections}


def params(*nodes: dict[str, Any], target: str, **changes: Any) -> Workflow.Params:
    return WORKFLOW.Params.model_validate({"nodes": list(nodes), "target": target, **changes})


def made(studio: Studio, asked: Workflow.Params, **images: np.ndarray) -> TaskResult:
    """What came of it; images by path, with _ for a dot."""
    given = {"nodes." + path.replace("_", ".data.", 1): pixels for path, pixels in images.items()}
    again = WORKFLOW.Params.model_validate(asked.model_dump(mode="json"))  # as it travels
    finished = studio.run(WORKFLOW, again, given)
    assert isinstance(finished, Finished), finished
    return finished.result


def alone(studio: Studio, endpoint: str, data: dict[str, Any], images: dict[str, np.ndarray]) -> np.ndarray:
    pipeline = pipelines.find(endpoint)
    return studio.image(pipeline, pipeline.Params.model_validate(data), images)


def test_what_one_node_paints_another_one_takes(studio: Studio) -> None:
    asked = params(
        node("house", "/txt2img/sd", SMALL),
        node("grey", "cv.grayscale", house={"index": 0, "field": "url"}),
        target="grey",
    )
    painted = alone(studio, "txt2img.sd", SMALL, {})
    result = made(studio, asked)
    assert np.array_equal(result.images[0], alone(studio, "cv.grayscale", {"url": "x"}, {"url": painted}))
    assert result.answer == {"is_exception": False, "reason": "", "target": None, "intermediate": {}}


def test_answers_are_put_in_as_numbers_and_words(studio: Studio) -> None:
    asked = params(
        node("size", "cv.get_size", {"url": PICTURE}),
        node("box", "cv.modify_box", {"lt_rb": [4, 4, 8, 8], "padding": 2}),
        node("masks", "cv.generate_masks", size=[{"index": 0, "field": "w"}, {"index": 1, "field": "h"}],
             box={"field": "lt_rb_list"}),
        node("part", "cv.crop_image", box={"index": 0, "field": "lt_rb"}, masks={"field": "url"}),
        target="part",
        intermediate=["box", "masks"],
    )  # fmt: skip
    result = made(studio, asked, **{"0_url": random_pixels(20, 30)})
    assert result.images[0].shape == (8, 8, 3)
    assert (result.images[0] == 255).all()
    assert result.hints[0].shape == (20, 30, 3)
    assert result.answer["intermediate"] == {
        "box": {"hints": [], "answer": {"boxes": [[2, 2, 10, 10]]}},
        "masks": {"hints": [0], "answer": None},
    }


def test_each_node_gets_its_own_images(studio: Studio) -> None:
    one, other = random_pixels(8, 8, seed=1), random_pixels(8, 8, seed=2)
    asked = params(
        node("one", "cv.inverse", {"url": PICTURE}),
        node("both", "cv.op", {"url": PICTURE, "op": "bitwise_xor"}, one={"field": "url2"}),
        target="both",
    )
    assert np.array_equal(made(studio, asked, **{"0_url": one, "1_url": other}).images[0], other ^ (255 - one))


def test_nodes_that_wait_for_nobody_step_in_one_batch_and_stay_what_they_are(studio: Studio) -> None:
    asked = params(
        node("a", "txt2img.sd", SMALL),
        node("b", "txt2img.sd", {**SMALL, "seed": 8}),
        node("both", "cv.op", {"op": "average"}, a={"field": "url"}, b={"field": "url2"}),
        target="both",
        intermediate=["a", "b"],
    )
    studio.engine.add("task", WORKFLOW, asked, {})
    events = list(studio.events())
    progress = [(event.step, event.steps) for event in events if isinstance(event, Advanced)]
    steps_of_both = progress[-1][1]
    assert len(progress) == steps_of_both / 2
    finished = events[-1]
    assert isinstance(finished, Finished)
    for hint, seed in zip(finished.result.hints, (7, 8), strict=True):
        single = alone(studio, "txt2img.sd", {**SMALL, "seed": seed}, {})
        assert np.abs(hint.astype(int) - single).max() <= 1


def test_only_what_leads_to_the_target_runs_and_is_paid_for() -> None:
    used, unused = node("used", "txt2img.sd", SMALL), node("unused", "img2img.sr", {"url": PICTURE})
    asked = params(used, unused, target="used")
    assert WORKFLOW.needs(asked) == (ModelRef(CHECKPOINT, "toy-sd1"),)
    both = params(used, unused, target="used", intermediate=["unused"])
    assert WORKFLOW.needs(both) == (ModelRef(CHECKPOINT, "toy-sd1"), ModelRef(UPSCALER, "esr"))
    costs = [
        pipelines.find(one["endpoint"]).work(pipelines.find(one["endpoint"]).Params.model_validate(one["data"])).cost
        for one in (used, unused)
    ]
    assert WORKFLOW.work(both).cost == pytest.approx(sum(costs))
    assert WORKFLOW.work(asked).pixels == 64 * 64


def test_seeds_are_drawn_for_every_node_once() -> None:
    free = {name: value for name, value in SMALL.items() if name != "seed"}
    asked = params(
        node("a", "txt2img.sd", free), node("b", "img2img.sd", {"text": "x"}, a={"field": "url"}), target="b"
    )
    resolved = WORKFLOW.resolve(asked)
    seeds = [one.data["seed"] for one in resolved.nodes]
    assert all(seed >= 0 for seed in seeds)
    assert resolved.seeds == (seeds[1],)
    assert [one.data["seed"] for one in WORKFLOW.resolve(resolved).nodes] == seeds
    assert WORKFLOW.Params.model_validate(resolved.model_dump(mode="json")) == resolved


def test_a_node_that_fails_fails_the_task_and_is_named(studio: Studio) -> None:
    asked = params(node("part", "cv.crop_image", {"url": PICTURE, "lt_rb": [50, 50, 60, 60]}), target="part")
    failed = studio.run(WORKFLOW, asked, {"nodes.0.data.url": random_pixels(8, 8)})
    assert isinstance(failed, Failed)
    assert failed.code == "bad_input"
    assert failed.message.startswith("node 'part': lt_rb [50, 50, 60, 60] contains no pixel")


def test_or_what_was_made_until_then_is_answered(studio: Studio) -> None:
    asked = params(
        node("grey", "cv.grayscale", {"url": PICTURE}),
        node("part", "cv.crop_image", {"lt_rb": [50, 50, 60, 60]}, grey={"field": "url"}),
        target="part",
        intermediate=["grey", "part"],
        return_if_exception=True,
    )
    result = made(studio, asked, **{"0_url": random_pixels(8, 8)})
    assert (len(result.images), len(result.hints)) == (0, 1)
    assert result.answer["is_exception"] is True
    assert result.answer["reason"].startswith("node 'part': lt_rb")
    assert result.answer["intermediate"]["grey"] == {"hints": [0], "answer": None}
    assert asked.seeds == ()


def test_a_result_that_was_not_made_or_does_not_fit_is_told(studio: Studio) -> None:
    for injections, says in [
        ({"a": {"index": 1, "field": "url"}}, "node 'b': 'a' made 1 results, so there is no index 1"),
        ({"size": {"index": 0, "field": "radius"}, "a": {"field": "url"}}, "node 'b': 1 validation error"),
    ]:
        asked = params(
            node("a", "cv.grayscale", {"url": PICTURE}),
            node("size", "cv.get_size", {"url": PICTURE}),
            node("b", "cv.blur", **injections),
            target="b",
        )
        given = {"nodes.0.data.url": random_pixels(8, 300), "nodes.1.data.url": random_pixels(8, 300)}
        failed = studio.run(WORKFLOW, asked, given)
        assert isinstance(failed, Failed)
        assert (failed.code, failed.message[: len(says)]) == ("bad_input", says)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"target": "b"}, "target 'b' is not a node; the nodes are a"),
        ({"target": "a", "intermediate": ["c"]}, "intermediate 'c' is not a node; the nodes are a"),
        ({"target": "a", "caches": {"a": 1}}, "caches"),
        ({"target": "a", "nodes": []}, "at least 1 item"),
        ({"target": "a", "nodes": [node(f"a{n}", "cv.blur", {"url": "x"}) for n in range(33)]}, "at most 32 items"),
    ],
)
def test_bad_parameters_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        WORKFLOW.Params.model_validate({"nodes": [node("a", "cv.blur", {"url": PICTURE})], **wrong})


@pytest.mark.parametrize("steps", [1, 4, 8])
def test_a_parked_workflow_goes_on_where_it_stood(studio: Studio, steps: int) -> None:
    asked = params(
        node("said", "txt2txt.prompt_enhance", {"text": "a house", "max_length": 5, "seed": 1}),
        node("a", "txt2img.sd", {**SMALL, "num_steps": 3}, said={"index": 0, "field": "text"}),
        node("b", "img2img.sd", {"text": "x", "num_steps": 3, "seed": 9, "model": "toy-sd1"}, a={"field": "url"}),
        target="b",
        intermediate=["a"],
    )
    whole = made(studio, asked)
    studio.engine.add("task", WORKFLOW, asked, {})
    for _ in range(steps):
        studio.engine.step()
    parked = studio.engine.park("task")
    assert parked is not None
    studio.engine.add("task", WORKFLOW, asked, {}, parked)
    *_, last = studio.events()
    assert isinstance(last, Finished), last
    assert np.array_equal(last.result.images[0], whole.images[0])
    assert np.array_equal(last.result.hints[0], whole.hints[0])
