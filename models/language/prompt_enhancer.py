"""Writing on from the beginning of a prompt: a causal language model such as GPT-2, trained on prompts.

Radford et al., "Language Models are Unsupervised Multitask Learners", 2019.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from models.catalog.entry import ModelEntry
from models.language.text_model import TextModel


class LongTextError(ValueError):
    """The beginning is as long already as the whole may become."""

    code = "bad_input"


@dataclass(frozen=True, slots=True)
class PromptStyle:
    """How the next token is chosen: of the `top_k` likeliest, the more evenly the higher the temperature.

    The logit of a token that is there already is divided by `penalty` (or multiplied, below 0: Keskar et al., "CTRL",
    2019) or, without `repeats`, ruled out.
    """

    temperature: float
    top_k: int
    penalty: float
    repeats: bool


class Enhancer(TextModel):
    def __init__(self, entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__(entry, AutoModelForCausalLM, device, dtype)

    def tokens(self, text: str, length: int, seeds: Sequence[int], style: PromptStyle) -> Iterator[list[list[int]]]:
        """A continuation for each seed, with the beginning, after each token; a whole one has `length` tokens at most.

        Each is drawn from its own seed on the CPU, so that it depends on nothing beside it. Raises LongTextError.
        """
        begin = self._tokenizer(text, add_special_tokens=False).input_ids
        length = min(length, self._model.config.max_position_embeddings)
        if len(begin) >= length:
            raise LongTextError(
                f"the text has {len(begin)} tokens and may become {length} long; shorten it, or raise max_length"
            )
        draws = [torch.Generator().manual_seed(seed) for seed in seeds]
        end, past = self._model.config.eos_token_id, None
        rows = [list(begin) for _ in seeds]
        given = torch.tensor(rows)
        while len(rows[0]) < length and not all(row[-1] == end for row in rows):
            said = self._model(given.to(self.device), past_key_values=past, use_cache=True)
            past = said.past_key_values
            logits = said.logits[:, -1].float().cpu()
            for row, scores, draw in zip(rows, logits, draws, strict=True):
                row.append(end if row[-1] == end else _chosen(scores, row, style, draw))
            given = torch.tensor([row[-1:] for row in rows])
            yield rows


def _chosen(scores: Tensor, row: Sequence[int], style: PromptStyle, draw: torch.Generator) -> int:
    """The next token of a row, by the scores [vocabulary] of all tokens."""
    there = torch.tensor(sorted(set(row)))
    old = scores[there]
    penalised = torch.where(old < 0, old * style.penalty, old / style.penalty)
    scores = scores.index_copy(0, there, penalised if style.repeats else torch.full_like(old, -torch.inf))
    best, tokens = scores.topk(min(style.top_k, len(scores)))
    place = torch.multinomial((best / style.temperature).softmax(0), 1, generator=draw)
    return int(tokens[place])


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Enhancer:
    """Raises SpeakerError for a folder that holds no causal language model."""
    return Enhancer(entry, device, dtype)
