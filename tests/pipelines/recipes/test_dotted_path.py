from __future__ import annotations

from typing import Any

import pytest

from pipelines.recipes.dotted_path import PathError, put, remove


def test_put_creates_missing_objects_and_lists() -> None:
    data: dict[str, Any] = {"controls": [{"type": "depth"}]}
    put(data, "controls.0.data.hint_url", 1)
    put(data, "controls.1.type", "canny")
    put(data, "many.0", "x")
    assert data == {"controls": [{"type": "depth", "data": {"hint_url": 1}}, {"type": "canny"}], "many": ["x"]}


def test_put_refuses_an_index_beyond_the_end_of_a_list() -> None:
    with pytest.raises(PathError, match=r"field 'many\.5' does not exist: there is no '5'"):
        put({"many": ["x"]}, "many.5", 1)


@pytest.mark.parametrize("value", ["x", 5, ["x"]])
def test_put_refuses_a_path_through_a_scalar(value: Any) -> None:
    with pytest.raises(PathError, match="does not exist"):
        put({"text": value}, "text.more.0", 1)


def test_remove_takes_a_key_out_of_an_object_and_leaves_lists_alone() -> None:
    data: dict[str, Any] = {"a": {"b": 1, "c": 2}, "list": [1, 2]}
    remove(data, "a.b")
    remove(data, "list.0")
    assert data == {"a": {"c": 2}, "list": [1, 2]}
