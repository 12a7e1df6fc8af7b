"""Write the beginning of a prompt on, in the words that such prompts use."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import AliasChoices, Field

from models.kinds.kind import AnyModelRef, ModelRef
from models.kinds.prompt_enhancer import PROMPT_ENHANCER
from pipelines.params.image import SEEDS
from pipelines.pipeline import Models, Params, Pipeline, Recipe, TaskResult, Work

if TYPE_CHECKING:
    import numpy as np


class EnhanceParams(Params):
    text: str = Field(min_length=1, max_length=2000, description="How the prompts begin.", examples=["a lighthouse"])
    model: str = Field("enhancer", max_length=64, description="A model of family `enhancer` that GET /v1/models lists.")
    temperature: float = Field(0.9, gt=0, le=5, description="Higher: more surprising, less coherent.")
    top_k: int = Field(8, ge=1, le=1000, description="How many of the likeliest tokens each one is drawn from.")
    max_length: int = Field(76, ge=2, le=512, description="Tokens that a prompt may have, its beginning included.")
    repetition_penalty: float = Field(
        1.2,
        ge=1,
        le=5,
        validation_alias=AliasChoices("repetition_penalty", "repitition_penalty"),
        description="Higher: tokens that are there already come less often. Also spelt `repitition_penalty`.",
    )
    num_return_sequences: int = Field(1, ge=1, le=8, description="How many prompts to write.")
    comma_mode: bool = Field(
        False, description="Allow tokens to come again, commas above all; else each comes once in a prompt."
    )
    seed: int = Field(-1, ge=-1, lt=SEEDS, description="-1 draws one; prompt i has seed + i. The result says which.")
    callback_url: str = Field("", max_length=2048, description="Kept for old clients; the envelope's notify_url wins.")


class Enhance(Pipeline[EnhanceParams]):
    """Answers `{prompts}`."""

    names = ("txt2txt.prompt_enhance",)
    title = "Prompt enhancement"
    Params = EnhanceParams
    families = frozenset({"enhancer"})
    answers = ("a house",) * 8

    def needs(self, params: EnhanceParams) -> tuple[AnyModelRef, ...]:
        return (ModelRef(PROMPT_ENHANCER, params.model),)

    def work(self, params: EnhanceParams) -> Work:
        return Work(pixels=512 * 512, images=1, steps=1)

    def resolve(self, params: EnhanceParams) -> EnhanceParams:
        drawn = secrets.randbelow(SEEDS - params.num_return_sequences)
        return params if params.seed >= 0 else params.model_copy(update={"seed": drawn})

    def run(self, params: EnhanceParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.language.prompt_enhancer import PromptStyle

        enhancer = models.get(ModelRef(PROMPT_ENHANCER, params.model))
        seeds = [(params.seed + index) % SEEDS for index in range(params.num_return_sequences)]
        style = PromptStyle(params.temperature, params.top_k, params.repetition_penalty, params.comma_mode)
        prompts: list[list[int]] = []
        for written in enhancer.tokens(params.text, params.max_length, seeds, style):
            prompts = written
            yield []
        return TaskResult(answer={"prompts": [enhancer.text(prompt) for prompt in prompts]})
