"""Lets the operator's language model write the prompts of tasks that name it, before they are accepted."""

from __future__ import annotations

from dataclasses import replace

from pipelines.enhance import LANGUAGE_MODEL, EnhanceParams
from server.llm import LLM
from server.prompts.writer import write_prompts
from server.tasks.prompts.task_prompt import PromptRefusedError, TaskPrompt

MAX_TEMPERATURE = 2.0
"""That endpoints of language models take."""


async def fill_in_written_prompts(prompts: list[TaskPrompt], llm: LLM) -> None:
    """Changes the parts that ask the language model. Raises PromptRefusedError, LLMError."""
    for prompt in prompts:
        params = prompt.part.params
        if isinstance(params, EnhanceParams) and params.model == LANGUAGE_MODEL:
            prompt.part = replace(prompt.part, params=await _written(params, prompt, llm))


async def _written(params: EnhanceParams, prompt: TaskPrompt, llm: LLM) -> EnhanceParams:
    if not llm.offered:
        raise PromptRefusedError(
            prompt.part.path_of("model"),
            "this server has no language model (HUA_LLM_URL); name a model of family enhancer",
        )
    temperature = min(params.temperature, MAX_TEMPERATURE)
    written = await write_prompts(llm, prompt.text, params.num_return_sequences, temperature)
    return params.model_copy(update={"written": tuple(written)})
