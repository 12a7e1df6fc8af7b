from __future__ import annotations

from dataclasses import replace
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


def run(studio: Studio, request: Workflow.Params, **images: np.ndarray) -> TaskResult:
    """The result of a workflow. `images` is by path, such as `0_url` for `nodes.0.data.url`."""
    images = {"nodes." + path.replace("_", ".data.", 1): pixels for path, pixels in images.items()}
    again = WORKFLOW.Params.model_validate(request.model_dump(mode="json"))  # as the worker gets it
    finished = studio.run(WORKFLOW, again, images)
    assert isinstance(finished, Finished), finished
    return finished.result


def alone(studio: Studio, endpoint: str, data: dict[str, Any], images: dict[str, np.ndarray]) -> np.ndarray:
    pipeline = pipelines.find(endpoint)
    return studio.image(pipeline, pipeline.Params.model_validate(data), images)


def test_node_takes_the_image_of_another_node(studio: Studio) -> None:
    request = params(
        node("house", "/txt2img/sd", SMALL),
        node("grey", "cv.grayscale", house={"index": 0, "field": "url"}),
        target="grey",
    )
    painted = alone(studio, "txt2img.sd", SMALL, {})
    result = run(studio, request)
    assert np.array_equal(result.images[0], alone(studio, "cv.grayscale", {"url": "x"}, {"url": painted}))
    assert result.answer == {"is_exception": False, "reason": "", "target": None, "intermediate": {}}


def test_answers_are_injected_as_numbers_and_lists(studio: Studio) -> None:
    request = params(
        node("size", "cv.get_size", {"url": PICTURE}),
        node("box", "cv.modify_box", {"lt_rb": [4, 4, 8, 8], "padding": 2}),
        node("masks", "cv.generate_masks", size=[{"index": 0, "field": "w"}, {"index": 1, "field": "h"}],
             box={"field": "lt_rb_list"}),
        node("part", "cv.crop_image", box={"index": 0, "field": "lt_rb"}, masks={"field": "url"}),
        target="part",
        intermediate=["box", "masks"],
    )  # fmt: skip
    result = run(studio, request, **{"0_url": random_pixels(20, 30)})
    assert result.images[0].shape == (8, 8, 3)
    assert (result.images[0] == 255).all()
    assert result.hints[0].shape == (20, 30, 3)
    assert result.answer["intermediate"] == {
        "box": {"hints": [], "answer": {"boxes": [[2, 2, 10, 10]]}},
        "masks": {"hints": [0], "answer": None},
    }


def test_each_node_gets_its_own_input_images(studio: Studio) -> None:
    one, other = random_pixels(8, 8, seed=1), random_pixels(8, 8, seed=2)
    request = params(
        node("one", "cv.inverse", {"url": PICTURE}),
        node("both", "cv.op", {"url": PICTURE, "op": "bitwise_xor"}, one={"field": "url2"}),
        target="both",
    )
    assert np.array_equal(run(studio, request, **{"0_url": one, "1_url": other}).images[0], other ^ (255 - one))


def test_independent_nodes_share_one_batch(studio: Studio) -> None:
    request = params(
        node("a", "txt2img.sd", SMALL),
        node("b", "txt2img.sd", {**SMALL, "seed": 8}),
        node("both", "cv.op", {"op": "average"}, a={"field": "url"}, b={"field": "url2"}),
        target="both",
        intermediate=["a", "b"],
    )
    studio.engine.add("task", WORKFLOW, request, {})
    events = list(studio.events())
    progress = [(event.step, event.steps) for event in events if isinstance(event, Advanced)]
    steps_of_both = progress[-1][1]
    assert len(progress) == steps_of_both / 2
    finished = events[-1]
    assert isinstance(finished, Finished)
    for hint, seed in zip(finished.result.hints, (7, 8), strict=True):
        single = alone(studio, "txt2img.sd", {**SMALL, "seed": seed}, {})
        assert np.abs(hint.astype(int) - single).max() <= 1


def test_only_needed_nodes_count_as_models_and_work() -> None:
    used, unused = node("used", "txt2img.sd", SMALL), node("unused", "img2img.sr", {"url": PICTURE})
    request = params(used, unused, target="used")
    assert WORKFLOW.needs(request) == (ModelRef(CHECKPOINT, "toy-sd1"),)
    both = params(used, unused, target="used", intermediate=["unused"])
    assert WORKFLOW.needs(both) == (ModelRef(CHECKPOINT, "toy-sd1"), ModelRef(UPSCALER, "esr"))
    costs = [
        pipelines.find(one["endpoint"]).work(pipelines.find(one["endpoint"]).Params.model_validate(one["data"])).cost
        for one in (used, unused)
    ]
    assert WORKFLOW.work(both).cost == pytest.approx(sum(costs))
    assert WORKFLOW.work(request).pixels == 64 * 64


def test_resolve_draws_the_seed_of_every_node_once() -> None:
    free = {name: value for name, value in SMALL.items() if name != "seed"}
    request = params(
        node("a", "txt2img.sd", free), node("b", "img2img.sd", {"text": "x"}, a={"field": "url"}), target="b"
    )
    resolved = WORKFLOW.resolve(request)
    seeds = [one.data["seed"] for one in resolved.nodes]
    assert all(seed >= 0 for seed in seeds)
    assert resolved.seeds == (seeds[1],)
    assert [one.data["seed"] for one in WORKFLOW.resolve(resolved).nodes] == seeds
    assert WORKFLOW.Params.model_validate(resolved.model_dump(mode="json")) == resolved


def test_failed_node_fails_the_task_by_its_key(studio: Studio) -> None:
    request = params(node("part", "cv.crop_image", {"url": PICTURE, "lt_rb": [50, 50, 60, 60]}), target="part")
    failed = studio.run(WORKFLOW, request, {"nodes.0.data.url": random_pixels(8, 8)})
    assert isinstance(failed, Failed)
    assert failed.code == "bad_input"
    assert failed.message.startswith("node 'part': lt_rb [50, 50, 60, 60] contains no pixel")


def test_return_if_exception_returns_the_results_so_far(studio: Studio) -> None:
    request = params(
        node("grey", "cv.grayscale", {"url": PICTURE}),
        node("part", "cv.crop_image", {"lt_rb": [50, 50, 60, 60]}, grey={"field": "url"}),
        target="part",
        intermediate=["grey", "part"],
        return_if_exception=True,
    )
    result = run(studio, request, **{"0_url": random_pixels(8, 8)})
    assert (len(result.images), len(result.hints)) == (0, 1)
    assert result.answer["is_exception"] is True
    assert result.answer["reason"].startswith("node 'part': lt_rb")
    assert result.answer["intermediate"]["grey"] == {"hints": [0], "answer": None}
    assert request.seeds == ()


def test_missing_or_unfit_result_fails_the_node(studio: Studio) -> None:
    for injections, message in [
        ({"a": {"index": 1, "field": "url"}}, "node 'b': 'a' made 1 results, so there is no index 1"),
        ({"size": {"index": 0, "field": "radius"}, "a": {"field": "url"}}, "node 'b': 1 validation error"),
    ]:
        request = params(
            node("a", "cv.grayscale", {"url": PICTURE}),
            node("size", "cv.get_size", {"url": PICTURE}),
            node("b", "cv.blur", **injections),
            target="b",
        )
        images = {"nodes.0.data.url": random_pixels(8, 300), "nodes.1.data.url": random_pixels(8, 300)}
        failed = studio.run(WORKFLOW, request, images)
        assert isinstance(failed, Failed)
        assert (failed.code, failed.message[: len(message)]) == ("bad_input", message)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"target": "b"}, "target 'b' is not a node; the nodes are a"),
        ({"target": "a", "intermediate": ["c"]}, "intermediate 'c' is not a node; the nodes are a"),
        ({"target": "a", "caches": {"a": 1}}, "caches"),
        ({"target": "a", "nodes": []}, "at least 1 item"),
        ({"target": "a", "nodes": [node(f"a{n}", "cv.blur", {"url": "x"}) for n in range(33)]}, "at most 32 items"),
    ],
)
def test_invalid_workflow_params_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        WORKFLOW.Params.model_validate({"nodes": [node("a", "cv.blur", {"url": PICTURE})], **wrong})


@pytest.mark.parametrize("steps", [1, 4, 8])
def test_parked_workflow_continues_with_the_same_images(studio: Studio, steps: int) -> None:
    request = params(
        node("prompt", "txt2txt.prompt_enhance", {"text": "a house", "max_length": 5, "seed": 1}),
        node("a", "txt2img.sd", {**SMALL, "num_steps": 3}, prompt={"index": 0, "field": "text"}),
        node("b", "img2img.sd", {"text": "x", "num_steps": 3, "seed": 9, "model": "toy-sd1"}, a={"field": "url"}),
        target="b",
        intermediate=["a"],
    )
    whole = run(studio, request)
    studio.engine.add("task", WORKFLOW, request, {})
    for _ in range(steps):
        studio.engine.step()
    parked = studio.engine.park("task")
    assert parked is not None
    studio.engine.add("task", WORKFLOW, request, {}, parked)
    *_, last = studio.events()
    assert isinstance(last, Finished), last
    assert np.array_equal(last.result.images[0], whole.images[0])
    assert np.array_equal(last.result.hints[0], whole.hints[0])


def test_parts_are_the_nodes_that_run_with_what_others_inject() -> None:
    request = params(
        node("words", "img2txt.caption", {"url": PICTURE}),
        node("unused", "txt2img.sd", SMALL),
        node("house", "txt2img.sd", {"negative_prompt": "fog"}, words={"index": 0, "field": "text"}),
        target="house",
    )
    words, house = WORKFLOW.parts(request)
    assert (words.path, house.path) == ("nodes.0.data", "nodes.2.data")
    assert house.injected == {"text"}
    assert house.params.negative_prompt == "fog"
    changed = replace(house, params=house.params.model_copy(update={"negative_prompt": "rain", "text": "lost"}))
    nodes = WORKFLOW.with_parts(request, [changed]).nodes
    assert nodes[2].data == {"negative_prompt": "rain"}
    assert nodes[:2] == request.nodes[:2]
