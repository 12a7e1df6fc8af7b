"""Chooses among the variants of dynamic prompts, by the seed of their task."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from pipelines.params.limits import SEEDS
from pipelines.pipeline import Part
from server.prompts.dynamic_prompts import DynamicPromptError, choose, may_vary
from server.prompts.wildcards import Wildcards
from server.tasks.prompts.task_prompt import PromptRefusedError, TaskPrompt


async def choose_variants(prompts: Sequence[TaskPrompt], wildcards: Wildcards | None) -> None:
    """Changes the prompts that offer variants: for a random seed at random. Raises PromptRefusedError."""
    varying = [prompt for prompt in prompts if may_vary(prompt.text)]
    if varying:
        drawn = secrets.randbelow(SEEDS)
        await asyncio.to_thread(_choose, varying, wildcards, drawn)


def _choose(prompts: Sequence[TaskPrompt], wildcards: Wildcards | None, drawn: int) -> None:
    for prompt in prompts:
        try:
            prompt.text = choose(prompt.text, _seed(prompt.part, drawn), wildcards.lines if wildcards else None)
        except DynamicPromptError as error:
            raise PromptRefusedError(prompt.path, f"{prompt.path}: {error}") from error


def _seed(part: Part, drawn: int) -> int:
    seed = getattr(part.params, "seed", -1)
    return seed if isinstance(seed, int) and seed >= 0 else drawn
