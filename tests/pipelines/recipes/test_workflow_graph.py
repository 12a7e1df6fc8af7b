from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipelines import find
from pipelines.params.image_refs import image_references
from pipelines.recipes.workflow_graph import Node, validated_nodes

PICTURE = "https://example.com/a.png"


def node(key: str, endpoint: str, data: dict[str, Any] | None = None, **injections: Any) -> Node:
    return Node.model_validate({"key": key, "endpoint": endpoint, "data": data or {}, "injections": injections})


def test_validated_nodes_mark_images_and_leave_out_injected_ones() -> None:
    cut = node("cut", "/img2img/sod", {"url": PICTURE})
    paste = node(
        "paste",
        "pipeline.paste",
        {"bg_url": PICTURE, **dict.fromkeys("adef", 1.0), "b": 0, "c": 0},
        cut={"field": "url"},
    )
    first, second = validated_nodes([cut, paste], find)
    assert first.endpoint == "img2img.sod"
    assert image_references(first) == {"data.url": PICTURE}
    assert image_references(second) == {"data.bg_url": PICTURE}
    assert "url" not in second.data
    assert validated_nodes([first, second], find) == (first, second)


def test_validated_nodes_use_canonical_parameter_names() -> None:
    caption = node("caption", "img2txt.caption", {"url": PICTURE, "version": "x"})
    enhance = node("more", "txt2txt.prompt_enhance", {"repitition_penalty": 2}, caption={"index": 0, "field": "text"})
    first, second = validated_nodes([caption, enhance], find)
    assert first.data == {"url": PICTURE, "model": "x"}
    assert second.data == {"repetition_penalty": 2}


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("a", "cv.blur", {"url": "x"}), node("a", "cv.blur", {"url": "x"})], "two nodes have the key 'a'"),
        ([node("a", "cv.blur", b={"field": "url"})], "node 'a' takes a result of 'b', but there is no such node"),
        ([node("a", "cv.blur", a={"field": "url"})], "in a circle: a → a"),
        (
            [node("a", "cv.blur", b={"field": "url"}), node("b", "cv.inverse", a={"field": "url"})],
            "nodes wait for each other in a circle: ",
        ),
        ([node("a", "cv.blurr", {"url": "x"})], "node 'a': unknown task type 'cv.blurr'; did you mean cv.blur?"),
        ([node("a", "cv.similarity")], "node 'a': cv.similarity is not supported: "),
        ([node("a", "$for_each")], r"node 'a': \$for_each is not supported: write one node per item"),
        ([node("a", "workflow")], "node 'a': a workflow cannot hold another workflow"),
        ([node("a", "cv.blur")], "node 'a': url: Field required"),
        ([node("a", "cv.blur", {"url": "x", "radius": -1})], "node 'a': radius: Input should be greater"),
        ([node("a", "cv.get_size", {"url": "x"}), node("b", "cv.blur", a={"field": "url"})], "node 'b': url: Input"),
        (
            [node("a", "img2txt.caption", {"url": "x"}), node("b", "cv.blur", a={"index": 0, "field": "url"})],
            "node 'b': url takes an image, but 'a' makes none",
        ),
        (
            [node("a", "cv.blur", {"url": "x"}), node("b", "txt2txt.prompt_enhance", a={"field": "text"})],
            "node 'b': text takes no image, but 'a' makes one",
        ),
        (
            [
                node("a", "cv.get_size", {"url": "x"}),
                node("b", "cv.resize", {"url": "x"}, a={"index": 2, "field": "w"}),
            ],
            "'a' has at most 2 results, so there is no index 2",
        ),
    ],
)
def test_invalid_node_is_refused_by_its_key(nodes: list[Node], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        validated_nodes(nodes, find)


@pytest.mark.parametrize("key", ["", "a.b", "$upload", "a b", "x" * 65])
def test_node_key_must_be_one_word(key: str) -> None:
    with pytest.raises(ValidationError):
        node(key, "cv.blur")
