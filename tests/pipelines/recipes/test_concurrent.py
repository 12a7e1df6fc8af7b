from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import pytest

from pipelines.recipes.concurrent import run_concurrently


def recipe(name: str, counts: Sequence[int], log: list[str]) -> Generator[Any, Any, str]:
    """Yields so many wishes each time, and checks that its own are answered."""
    try:
        for turn, count in enumerate(counts):
            wishes = [f"{name}{turn}{place}" for place in range(count)]
            assert (yield wishes) == [wish.upper() for wish in wishes]
        return name
    finally:
        log.append(name)


def run(recipes: Sequence[Any]) -> tuple[list[list[str]], Any]:
    """What is yielded, turn by turn, and what comes of it; each wish is answered in capitals."""
    both, turns, answer = run_concurrently(recipes), [], None
    while True:
        try:
            wishes = both.send(answer)
        except StopIteration as finished:
            return turns, finished.value
        turns.append(list(wishes))
        answer = [wish.upper() for wish in wishes]


def test_each_gets_its_own_and_goes_on_beside_the_others() -> None:
    turns, results = run([recipe("a", [1, 2], []), recipe("b", [], []), recipe("c", [2, 0, 1], [])])
    assert turns == [["a00", "c00", "c01"], ["a10", "a11"], ["c20"]]
    assert results == ["a", "b", "c"]


def test_when_one_raises_the_others_end() -> None:
    log: list[str] = []

    def broken() -> Generator[Any, Any, str]:
        yield []
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        run([recipe("a", [1, 1], log), broken(), recipe("c", [1, 1], log)])
    assert log == ["a", "c"]


def test_closing_it_closes_all() -> None:
    log: list[str] = []
    both = run_concurrently([recipe("a", [1], log), recipe("b", [1], log)])
    next(both)
    both.close()
    assert log == ["a", "b"]
