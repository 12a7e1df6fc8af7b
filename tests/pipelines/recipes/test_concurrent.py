from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import pytest

from pipelines.recipes.concurrent import run_concurrently


def recipe(name: str, counts: Sequence[int], closed: list[str]) -> Generator[Any, Any, str]:
    """Yields `counts[turn]` requests each turn, checks that its own are answered, and logs its end in `closed`."""
    try:
        for turn, count in enumerate(counts):
            requests = [f"{name}{turn}{index}" for index in range(count)]
            assert (yield requests) == [request.upper() for request in requests]
        return name
    finally:
        closed.append(name)


def run(recipes: Sequence[Any]) -> tuple[list[list[str]], Any]:
    """The requests of each turn, and the results. Each request is answered in capitals."""
    joined, turns, answers = run_concurrently(recipes), [], None
    while True:
        try:
            requests = joined.send(answers)
        except StopIteration as finished:
            return turns, finished.value
        turns.append(list(requests))
        answers = [request.upper() for request in requests]


def test_each_recipe_gets_its_own_answers_turn_by_turn() -> None:
    turns, results = run([recipe("a", [1, 2], []), recipe("b", [], []), recipe("c", [2, 0, 1], [])])
    assert turns == [["a00", "c00", "c01"], ["a10", "a11"], ["c20"]]
    assert results == ["a", "b", "c"]


def test_recipe_that_raises_closes_the_others() -> None:
    closed: list[str] = []

    def broken() -> Generator[Any, Any, str]:
        yield []
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        run([recipe("a", [1, 1], closed), broken(), recipe("c", [1, 1], closed)])
    assert closed == ["a", "c"]


def test_close_closes_all_recipes() -> None:
    closed: list[str] = []
    joined = run_concurrently([recipe("a", [1], closed), recipe("b", [1], closed)])
    next(joined)
    joined.close()
    assert closed == ["a", "b"]
