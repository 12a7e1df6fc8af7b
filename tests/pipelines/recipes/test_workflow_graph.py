from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.params.image_refs import ImageRef, image_references
from pipelines.recipes.workflow_graph import Node, PathError, checked, put

PICTURE = "https://example.com/a.png"


def node(key: str, endpoint: str, data: dict[str, Any] | None = None, **injections: Any) -> Node:
    return Node.model_validate({"key": key, "endpoint": endpoint, "data": data or {}, "injections": injections})


def test_images_are_marked_and_what_is_put_in_is_left_out() -> None:
    cut = node("cut", "/img2img/sod", {"url": PICTURE})
    paste = node("paste", "pipeline.paste", {"bg_url": PICTURE, **dict.fromkeys("abcdef", 1.0)}, cut={"field": "url"})
    first, second = checked([cut, paste])
    assert first.endpoint == "img2img.sod"
    assert image_references(first) == {"data.url": PICTURE}
    assert image_references(second) == {"data.bg_url": PICTURE}
    assert "url" not in second.data
    assert checked([first, second]) == (first, second)


def test_aliases_become_names() -> None:
    caption = node("said", "img2txt.caption", {"url": PICTURE, "version": "x"})
    enhance = node("more", "txt2txt.prompt_enhance", {"repitition_penalty": 2}, said={"index": 0, "field": "text"})
    first, second = checked([caption, enhance])
    assert first.data == {"url": PICTURE, "model": "x"}
    assert second.data == {"repetition_penalty": 2}


@pytest.mark.parametrize(
    ("nodes", "says"),
    [
        ([node("a", "cv.blur", {"url": "x"}), node("a", "cv.blur", {"url": "x"})], "two nodes are called 'a'"),
        ([node("a", "cv.blur", b={"field": "url"})], "node 'a' takes from 'b', but there is no such node"),
        ([node("a", "cv.blur", a={"field": "url"})], "in a circle: a → a"),
        (
            [node("a", "cv.blur", b={"field": "url"}), node("b", "cv.inverse", a={"field": "url"})],
            "nodes wait for each other in a circle: ",
        ),
        ([node("a", "cv.blurr", {"url": "x"})], "node 'a': unknown task type 'cv.blurr'; did you mean 'cv.blur'?"),
        ([node("a", "cv.similarity")], "node 'a': cv.similarity is not offered: "),
        ([node("a", "$for_each")], r"node 'a': \$for_each is not offered: write a node for each turn"),
        ([node("a", "workflow")], "node 'a': a workflow cannot hold another"),
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
            "'a' has 2 results at most, and index 2 is none of them",
        ),
    ],
)
def test_what_cannot_run_is_refused_and_the_node_named(nodes: list[Node], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        checked(nodes)


@pytest.mark.parametrize("key", ["", "a.b", "$upload", "a b", "x" * 65])
def test_a_key_is_a_word(key: str) -> None:
    with pytest.raises(ValidationError):
        node(key, "cv.blur")


def test_put_makes_what_lacks_on_the_way() -> None:
    data: dict[str, Any] = {"controls": [{"type": "depth"}]}
    put(data, "controls.0.data.hint_url", 1)
    put(data, "controls.1.type", "canny")
    put(data, "many.0", ImageRef("x"))
    assert data == {"controls": [{"type": "depth", "data": {"hint_url": 1}}, {"type": "canny"}], "many": ["x"]}
    with pytest.raises(PathError, match=r"field 'many\.5' leads nowhere: there is no '5'"):
        put(data, "many.5", 1)
    for data in ({"text": "x"}, {"text": 5}, {"text": ["x"]}):
        with pytest.raises(PathError, match="leads nowhere"):
            put(data, "text.more.0", 1)
