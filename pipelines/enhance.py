"""Extend the beginning of a prompt with words that such prompts use."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import AliasChoices, Field

from models.kinds.kind import AnyModelRef, ModelRef
from models.kinds.prompt_enhancer import PROMPT_ENHANCER
from pipelines.params.limits import SEEDS, CallbackUrl
from pipelines.params.prompts import Prompt
from pipelines.pipeline import MAX_TEXT, Models, Params, Pipeline, Recipe, TaskResult, Work

if TYPE_CHECKING:
    import numpy as np


DEFAULT_ENHANCER = "enhancer"
LANGUAGE_MODEL = "llm"
"""The name for the operator's language model. The api asks it before the task is accepted."""


class EnhanceParams(Params):
    text: Prompt = Field(
        min_length=1, max_length=2000, description="The beginning of the prompts.", examples=["a lighthouse"]
    )
    model: str = Field(
        DEFAULT_ENHANCER,
        max_length=64,
        description="A model of family `enhancer` that GET /v1/models lists, or `llm`: the operator's language model "
        "(HUA_LLM_URL), for which of the other params num_return_sequences and temperature count.",
    )
    temperature: float = Field(0.9, gt=0, le=5, description="Higher: more surprising, less coherent.")
    top_k: int = Field(8, ge=1, le=1000, description="Draw each token from this many of the likeliest ones.")
    max_length: int = Field(
        76, ge=2, le=512, description="Most tokens that a prompt may have, including its beginning."
    )
    repetition_penalty: float = Field(
        1.2,
        ge=1,
        le=5,
        validation_alias=AliasChoices("repetition_penalty", "repitition_penalty"),
        description="Higher: tokens are repeated less often. Also accepted as `repitition_penalty`.",
    )
    num_return_sequences: int = Field(1, ge=1, le=8, description="Number of prompts to return.")
    comma_mode: bool = Field(
        False, description="Allow repeated tokens, such as commas. false: each token comes at most once in a prompt."
    )
    seed: int = Field(
        -1, ge=-1, lt=SEEDS, description="-1 draws a random seed, which the result reports. Prompt i has seed + i."
    )
    written: tuple[Annotated[str, Field(max_length=MAX_TEXT)], ...] = Field(
        (),
        max_length=8,
        fail_fast=True,
        description="The prompts of the language model. The server fills it in; leave it out.",
    )
    callback_url: CallbackUrl = ""


class Enhance(Pipeline[EnhanceParams]):
    """Answers `{prompts}`."""

    names = ("txt2txt.prompt_enhance",)
    title = "Prompt enhancement"
    Params = EnhanceParams
    families = frozenset({"enhancer"})
    answers = ("a house",) * 8

    def needs(self, params: EnhanceParams) -> tuple[AnyModelRef, ...]:
        if params.model == LANGUAGE_MODEL:
            return ()
        return (ModelRef(PROMPT_ENHANCER, params.model),)

    def work(self, params: EnhanceParams) -> Work:
        return Work(pixels=512 * 512, images=1, steps=1)

    def resolve(self, params: EnhanceParams) -> EnhanceParams:
        if params.seed >= 0:
            return params
        return params.model_copy(update={"seed": secrets.randbelow(SEEDS - params.num_return_sequences)})

    def run(self, params: EnhanceParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        if params.model == LANGUAGE_MODEL:
            yield []
            return TaskResult(answer={"prompts": list(params.written)})
        from models.language.prompt_enhancer import SamplingOptions

        enhancer = models.get(ModelRef(PROMPT_ENHANCER, params.model))
        seeds = [(params.seed + index) % SEEDS for index in range(params.num_return_sequences)]
        style = SamplingOptions(params.temperature, params.top_k, params.repetition_penalty, params.comma_mode)
        prompts: list[list[int]] = []
        for so_far in enhancer.tokens(params.text, params.max_length, seeds, style):
            prompts = so_far
            yield []
        return TaskResult(answer={"prompts": [enhancer.text(prompt) for prompt in prompts]})
