"""Several recipes as one, so that what they yield at the same time is denoised in the same batches."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, TypeVar

from pipelines.pipeline import Denoise, Steps

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


def run_concurrently(recipes: Sequence[Steps[T]]) -> Steps[list[T]]:
    """What each returns, in order. They go on from yield to yield side by side; if one raises, the others end."""
    results: dict[int, T] = {}
    wishes: dict[int, Sequence[Denoise]] = {}
    latents: list[torch.Tensor] = []
    try:
        for place, recipe in enumerate(recipes):
            _go_on(place, recipe, None, wishes, results)
        while wishes:
            latents = yield [wish for wanted in wishes.values() for wish in wanted]
            for place, wanted in list(wishes.items()):
                mine, latents = latents[: len(wanted)], latents[len(wanted) :]
                _go_on(place, recipes[place], mine, wishes, results)
    finally:
        for recipe in recipes:
            recipe.close()
    return [results[place] for place in range(len(recipes))]


def _go_on(
    place: int,
    recipe: Generator[Sequence[Denoise], list[torch.Tensor], T],
    latents: list[torch.Tensor] | None,
    wishes: dict[int, Sequence[Denoise]],
    results: dict[int, T],
) -> None:
    try:
        wishes[place] = next(recipe) if latents is None else recipe.send(latents)
    except StopIteration as finished:
        wishes.pop(place, None)
        results[place] = finished.value
