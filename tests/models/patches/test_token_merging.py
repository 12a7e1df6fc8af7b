from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from models.loaded_model import LoadedModel
from models.patches.patch import PatchedRows
from models.patches.token_merging import TokenMerging, match
from tests.support.nets import hook_counts, unet_of

HOW = TokenMerging()
STEPS = torch.tensor([900, 20])


def predicted(toy: Any, how: TokenMerging | None, rows: int = 2, channels: int = 4) -> Tensor:
    torch.manual_seed(0)
    noise = torch.randn(2, channels, 16, 12)
    text, _ = toy.encode_prompt("a cat", None, clip_skip=-1, width=64, height=64)
    embeds = type(text)(text.embeds.expand(rows, -1, -1))
    patches = [] if how is None else [PatchedRows(how)]
    output: Tensor = toy.predict(noise[:rows], STEPS[:rows], embeds, patches=patches)
    return output


def test_merging_equal_tokens_loses_nothing() -> None:
    """Each window of 2 × 2 holds one token four times over."""
    windows = torch.randn(2, 3, 4, 5)
    tokens = windows.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2).reshape(2, 48, 5)
    matching = match(tokens, 6, 8, replace(HOW, ratio=0.75), STEPS)
    merged = matching.merge(tokens)
    assert merged.shape == (2, 12, 5)
    torch.testing.assert_close(matching.unmerge(merged), tokens)


def test_merge_averages_the_most_similar_tokens_only() -> None:
    tokens = torch.eye(16).expand(1, -1, -1).clone()
    how = replace(HOW, ratio=1 / 16, seed=None)
    tokens[0, 5] = tokens[0, 10] + 0.01 * tokens[0, 5]
    merged = match(tokens, 4, 4, how, STEPS[:1]).merge(tokens)
    assert merged.shape == (1, 15, 16)
    mean = (tokens[0, 5] + tokens[0, 10]) / 2
    assert sum(torch.allclose(token, mean) for token in merged[0]) == 1
    untouched = [token for index, token in enumerate(tokens[0]) if index not in (5, 10)]
    assert all(any(torch.equal(token, other) for other in merged[0]) for token in untouched)


def test_match_accepts_sizes_that_windows_do_not_divide() -> None:
    tokens = torch.randn(2, 5 * 7, 4)
    matching = match(tokens, 5, 7, HOW, STEPS)
    assert matching.merge(tokens).shape[1] == 35 - 17
    indices = torch.cat([matching.destinations, matching.untouched, matching.merged], dim=1)[..., 0]
    assert torch.equal(indices.sort(dim=1).values, torch.arange(35).expand(2, -1))


def test_destinations_are_uniform_and_vary_by_step_and_seed() -> None:
    tokens = torch.randn(2, 64 * 64, 4)
    first, second = window_indices(match(tokens, 64, 64, HOW, STEPS).destinations)
    other, _ = window_indices(match(tokens, 64, 64, replace(HOW, seed=1), STEPS).destinations)
    assert all(200 < int((first == index).sum()) < 312 for index in range(4))
    assert 0.65 < float((first != second).float().mean()) < 0.85
    assert 0.65 < float((first != other).float().mean()) < 0.85


def window_indices(destinations: Tensor) -> Tensor:
    """The index, 0 to 3, of the destination token of each window, [rows, windows]."""
    row, column = destinations[..., 0] // 64, destinations[..., 0] % 64
    windows = row // 2 * 32 + column // 2
    return torch.full((len(destinations), 32 * 32), -1).scatter(1, windows, row % 2 * 2 + column % 2)


def test_ratio_zero_merges_nothing(checkpoints: dict[str, LoadedModel]) -> None:
    toy = checkpoints["sd1"]
    assert torch.equal(predicted(toy, replace(HOW, ratio=0)), predicted(toy, None))


def test_merging_shortens_attention_and_stays_close(checkpoints: dict[str, LoadedModel]) -> None:
    toy: Any = checkpoints["sd1"]
    lengths: list[int] = []
    block = unet_of(toy).down_blocks[0].attentions[0].transformer_blocks[0]
    hooks = [layer.register_forward_pre_hook(lambda _, args: lengths.append(args[0].shape[1]), prepend=False)
             for layer in (block.attn1.to_q, block.attn2.to_q, block.ff.net[0])]  # fmt: skip
    try:
        plain, halved = predicted(toy, None), predicted(toy, HOW)
        everything = predicted(toy, TokenMerging(0.25, 8, 2, 2, 0, True, True, True))
    finally:
        for hook in hooks:
            hook.remove()
    assert lengths == [192, 192, 192, 96, 192, 192, 144, 144, 144]
    for merged in (halved, everything):
        distance = float((merged - plain).norm() / plain.norm())
        assert 1e-4 < distance < 0.5, distance
    assert torch.equal(predicted(toy, None), plain)


def test_merging_of_a_row_ignores_other_rows(checkpoints: dict[str, LoadedModel]) -> None:
    toy = checkpoints["sd1"]
    together, alone = predicted(toy, HOW), predicted(toy, HOW, rows=1)
    torch.testing.assert_close(together[:1], alone, rtol=1e-4, atol=1e-4)


def test_merging_removes_its_hooks_after_an_exception(checkpoints: dict[str, LoadedModel]) -> None:
    toy: Any = checkpoints["sd1"]
    before = hook_counts(unet_of(toy))
    with pytest.raises(RuntimeError):
        predicted(toy, HOW, rows=1, channels=3)
    assert hook_counts(unet_of(toy)) == before
