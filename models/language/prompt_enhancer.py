"""Prompt enhancers continue the beginning of a prompt: causal language models such as GPT-2, trained on prompts.

Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from models.catalog.entry import ModelEntry
from models.finite import require_finite
from models.language.text_model import TextModel


class LongTextError(ValueError):
    """The text has no room for more tokens within the length."""

    code = "bad_input"


MIN_TEMPERATURE = 1e-6
"""Logits divided by less may overflow. The most probable token is chosen long before."""


@dataclass(frozen=True, slots=True)
class SamplingOptions:
    """How the next token is sampled."""

    temperature: float
    """Above 0; a higher one makes the probabilities more even."""
    top_k: int
    """How many of the most probable tokens are considered."""
    penalty: float
    """Divides the logit of a token that is in the text already (multiplies it below 0: Keskar et al., "CTRL", 2019)."""
    repeats: bool
    """Whether a token may occur again; the penalty has no effect if not."""


class PromptEnhancer(TextModel):
    """A loaded causal language model."""

    def __init__(self, entry: ModelEntry, dtype: torch.dtype) -> None:
        super().__init__(entry, AutoModelForCausalLM, dtype)

    def tokens(
        self, text: str, length: int, seeds: Sequence[int], options: SamplingOptions
    ) -> Iterator[list[list[int]]]:
        """The text with a continuation for each seed, yielded after each new token; at most `length` tokens in all.

        Each continuation is sampled on the CPU from its own seed, so that it does not depend on the others. Raises
        LongTextError, NotFiniteError.
        """
        prompt = self._tokenizer(text, add_special_tokens=False).input_ids
        length = min(length, self._model.config.max_position_embeddings)
        if len(prompt) >= length:
            raise LongTextError(
                f"the text has {len(prompt)} tokens, and with its continuation it may have {length}; shorten it, "
                "or raise max_length"
            )
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        end, past = self._model.config.eos_token_id, None
        rows = [list(prompt) for _ in seeds]
        inputs = torch.tensor(rows)
        while len(rows[0]) < length and not all(row[-1] == end for row in rows):
            output = self._model(inputs.to(self.device), past_key_values=past, use_cache=True)
            past = output.past_key_values
            logits = output.logits[:, -1].float().cpu()
            require_finite(f"prompt enhancer {self.name!r}", logits)
            for row, scores, generator in zip(rows, logits, generators, strict=True):
                row.append(end if row[-1] == end else _sample(scores, row, options, generator))
            inputs = torch.tensor([row[-1:] for row in rows])
            yield rows


def _sample(logits: Tensor, row: Sequence[int], options: SamplingOptions, generator: torch.Generator) -> int:
    """The next token of a row, from the logits [vocabulary]."""
    used = torch.tensor(sorted(set(row)))
    old = logits[used]
    penalised = torch.where(old < 0, old * options.penalty, old / options.penalty)
    logits = logits.index_copy(0, used, penalised if options.repeats else torch.full_like(old, -torch.inf))
    best, tokens = logits.topk(min(options.top_k, len(logits)))
    probabilities = (best / max(options.temperature, MIN_TEMPERATURE)).softmax(0)
    index = torch.multinomial(probabilities, 1, generator=generator)
    return int(tokens[index])


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> PromptEnhancer:
    """Raises TextModelError for a folder that is not a causal language model."""
    enhancer = PromptEnhancer(entry, dtype)
    enhancer.to(device)
    return enhancer
