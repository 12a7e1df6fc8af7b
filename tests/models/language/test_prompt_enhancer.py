from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import GPT2LMHeadModel

from models.catalog.catalog import Catalog
from models.finite import NotFiniteError
from models.language import prompt_enhancer
from models.language.prompt_enhancer import LongTextError, PromptEnhancer, SamplingOptions, _sample
from tests.support.nets import language_model_of, spoil

CPU = torch.device("cpu")
TEXT = "a photo of a red apple"


@pytest.fixture(scope="module")
def gpt2(toys: Catalog) -> PromptEnhancer:
    return prompt_enhancer.load(toys.find("enhancer"), CPU, torch.float32)


def options(**changes: Any) -> SamplingOptions:
    defaults: dict[str, Any] = {"temperature": 0.9, "top_k": 8, "penalty": 1.2, "repeats": True}
    return SamplingOptions(**{**defaults, **changes})


def continuations(gpt2: PromptEnhancer, seeds: list[int], length: int = 30, **changes: Any) -> list[list[int]]:
    *_, last = gpt2.tokens(TEXT, length, seeds, options(**changes))
    return last


@pytest.mark.parametrize("penalty", [1.0, 1.2, 3.0])
@pytest.mark.parametrize("repeats", [True, False])
def test_greedy_equals_transformers(gpt2: PromptEnhancer, toys: Catalog, penalty: float, repeats: bool) -> None:
    stock = GPT2LMHeadModel.from_pretrained(toys.find("enhancer").path).eval()
    ours = continuations(gpt2, [0], top_k=1, penalty=penalty, repeats=repeats)[0]
    reference = stock.generate(
        torch.tensor([ours[:6]]),
        attention_mask=torch.ones(1, 6, dtype=torch.long),
        do_sample=False,
        max_length=30,
        repetition_penalty=penalty,
        no_repeat_ngram_size=0 if repeats else 1,
        pad_token_id=0,
    )
    assert ours == reference[0].tolist()


def test_continuation_depends_only_on_its_seed(gpt2: PromptEnhancer) -> None:
    state = torch.random.get_rng_state()
    alone = [continuations(gpt2, [seed])[0] for seed in (1, 2, 3)]
    assert continuations(gpt2, [1, 2, 3]) == alone
    assert len({tuple(row) for row in alone}) == 3
    assert torch.equal(torch.random.get_rng_state(), state)


def test_temperature_decides_the_variety(gpt2: PromptEnhancer) -> None:
    seeds = list(range(16))
    cold, hot = (
        {tuple(row[:7]) for row in continuations(gpt2, seeds, 7, temperature=temperature)}
        for temperature in (0.01, 5.0)
    )
    assert len(cold) == 1 < len(hot)


def test_least_temperature_chooses_the_most_probable_token(gpt2: PromptEnhancer) -> None:
    assert continuations(gpt2, [1], 12, temperature=1e-300) == continuations(gpt2, [2], 12, top_k=1)


def test_continuation_begins_with_the_text_and_ends_at_the_length(gpt2: PromptEnhancer) -> None:
    rows = continuations(gpt2, [5], length=12)
    assert gpt2.text(rows[0]).startswith(TEXT)
    assert len(rows[0]) == 12


def test_without_repeats_each_token_occurs_once(gpt2: PromptEnhancer) -> None:
    (row,) = continuations(gpt2, [5], length=60, repeats=False)
    assert len(set(row[5:])) == len(row[5:])


def test_finished_continuation_waits_for_the_others(gpt2: PromptEnhancer, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = continuations(gpt2, [1, 2], length=20)
    end = next(token for token in rows[0][6:] if token not in rows[1])
    # Private: which token ends a text is a property of the file, and no public verb changes it.
    monkeypatch.setattr(gpt2._model.config, "eos_token_id", end)
    stopped = continuations(gpt2, [1, 2], length=20)
    index = rows[0].index(end)
    assert stopped[0] == rows[0][:index] + [end] * (20 - index)
    assert stopped[1] == rows[1]


def test_text_as_long_as_the_length_is_refused(gpt2: PromptEnhancer) -> None:
    with pytest.raises(LongTextError, match="has 6 tokens, and with its continuation it may have 6; shorten it"):
        continuations(gpt2, [1], length=6)


@pytest.mark.parametrize("logits", [[-1.0, -1.5], [3.0, 2.0]])
def test_penalty_lowers_logits_of_either_sign(logits: list[float]) -> None:
    chosen = [_sample(torch.tensor(logits), [0], options(top_k=1, penalty=p), torch.Generator()) for p in (1.0, 2.0)]
    assert chosen == [0, 1]


def test_tokens_of_nan_are_refused(toys: Catalog) -> None:
    loaded = prompt_enhancer.load(toys.find("enhancer"), CPU, torch.float32)
    spoil(language_model_of(loaded))
    with pytest.raises(NotFiniteError, match="prompt enhancer 'toy-gpt2' returned NaN or infinity"):
        continuations(loaded, [0])
