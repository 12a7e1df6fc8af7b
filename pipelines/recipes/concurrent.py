"""Runs several recipes as one, so that what they yield at the same time is denoised in the same batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from pipelines.pipeline import Denoise, Steps

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


def run_concurrently(recipes: Sequence[Steps[T]]) -> Steps[list[T]]:
    """The results of the recipes, in order. If one raises, the others are closed."""
    results: dict[int, T] = {}
    pending: dict[int, Sequence[Denoise]] = {}
    latents: list[torch.Tensor] = []
    try:
        for index, recipe in enumerate(recipes):
            _advance(index, recipe, None, pending, results)
        while pending:
            latents = yield [request for requests in pending.values() for request in requests]
            for index, requests in list(pending.items()):
                own, latents = latents[: len(requests)], latents[len(requests) :]
                _advance(index, recipes[index], own, pending, results)
    finally:
        for recipe in recipes:
            recipe.close()
    return [results[index] for index in range(len(recipes))]


def _advance(
    index: int,
    recipe: Steps[T],
    latents: list[torch.Tensor] | None,
    pending: dict[int, Sequence[Denoise]],
    results: dict[int, T],
) -> None:
    """Runs one recipe to its next yield or its end. `latents` answer its last requests; None at the start."""
    try:
        pending[index] = next(recipe) if latents is None else recipe.send(latents)
    except StopIteration as finished:
        pending.pop(index, None)
        results[index] = finished.value
