from __future__ import annotations

from typing import Any

import pytest

from server.tools.substitution import OMITTED, names_in, paths_of, substituted

VALUES = {
    "word": "red $other",
    "n": 1.5,
    "size": {"width": 8},
    "size.width": 8,
    "none": OMITTED,
    "picture": {"task": "1"},
}


@pytest.mark.parametrize(
    ("data", "result"),
    [
        ("$n", 1.5),
        ("$picture", {"task": "1"}),
        ("$size.width", 8),
        ("a $word house", "a red $other house"),
        ("${word}s, $n.", "red $others, 1.5."),
        ("${size.width}px", "8px"),
        ("5 $$ or $$n", "5 $ or $n"),
        ("$ 5", "$ 5"),
        ("[$none]", "[]"),
        ({"a": "$none", "b": ["$none", "$n", 7], "c": None}, {"b": [1.5, 7], "c": None}),
        ([True, 3, None], [True, 3, None]),
    ],
)
def test_names_become_values(data: Any, result: Any) -> None:
    assert substituted(data, VALUES) == result


def test_names_are_found() -> None:
    data = [{"a": "$n and ${word}", "b": {"c": ["$size.width", "$$no", 1]}}]
    assert sorted(names_in(data)) == ["n", "size", "word"]


def test_paths_of_whole_texts_are_found() -> None:
    data = {"a": "$n", "b": [{"c": "${size.width}"}, "$n!"]}
    assert list(paths_of(data)) == [("a", "n"), ("b.0.c", "size")]
