"""Reference-only attention compared with its definition, and what it does not change."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0
from torch import Tensor

from models.conditioning import Conditioning
from models.loaded_model import LoadedModel
from models.patches.patch import PatchedRows, PatchRow
from models.patches.reference_attention import REFERENCE, ReferenceStyle, ReferenceWeight
from tests.support.nets import hook_counts, unet_of

STEPS = torch.tensor([901.0, 401.0, 401.0])
WEIGHTS = [ReferenceWeight(0.25, 1.0), ReferenceWeight(1.0, 1.0), ReferenceWeight(1.0, 0.5)]


class Bank(AttnProcessor2_0):
    """Self-attention that stores its first input, and then uses it as further keys and values."""

    def __init__(self, position: float) -> None:
        super().__init__()
        self.position = position
        self.reference: Tensor | None = None

    def __call__(self, attn: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        alone: Tensor = super().__call__(attn, hidden_states)
        if self.reference is None:
            self.reference = hidden_states
            return alone
        both = super().__call__(attn, hidden_states, torch.cat([hidden_states, self.reference], dim=1))
        weights = torch.tensor([weight.attention * (weight.layers > self.position) for weight in WEIGHTS])[
            :, None, None
        ]
        return (1 - weights) * alone + weights * both


def conditioning(toy: Any, rows: int = 3) -> Conditioning:
    text, _ = toy.encode_prompt("a cat", None, clip_skip=-1, width=64, height=64)
    return Conditioning(text.embeds.expand(rows, -1, -1), {key: x.expand(rows, -1) for key, x in text.extras.items()})


class Weighted(ReferenceStyle):
    """A style with a fixed weight for all rows."""

    def __init__(self, weight: ReferenceWeight) -> None:
        super().__init__(np.zeros((8, 8, 3), np.uint8), 0.0, 1.0)
        self._row_weight = weight

    def row_weight(self, *, prompted: bool) -> ReferenceWeight:
        return self._row_weight


def references(latents: Tensor, weights: list[ReferenceWeight]) -> PatchedRows:
    rows = [PatchRow(Weighted(weight), prompted=True) for weight in weights]
    return PatchedRows(rows[0].patch, rows, {REFERENCE: latents})


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_reference_attention_follows_its_definition_per_row(checkpoints: dict[str, LoadedModel], family: str) -> None:
    toy: Any = checkpoints[family]
    unet, text = unet_of(toy), conditioning(toy)
    latents, reference = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8)
    plain = toy.predict(latents, STEPS, text)
    found = toy.predict(latents, STEPS, text, patches=[references(reference, WEIGHTS)])

    processors = unet.attn_processors
    own = {name: unet.get_submodule(name.removesuffix(".processor")) for name in processors if ".attn1." in name}
    widest_first = sorted(own, key=lambda name: -own[name].to_q.in_features)
    try:
        for position, name in enumerate(widest_first):
            own[name].processor = Bank(position / len(own))
        toy.predict(reference, STEPS, text)
        expected = toy.predict(latents, STEPS, text)
    finally:
        for name, layer in own.items():
            layer.processor = processors[name]

    for row in range(3):
        change, expected_change = found[row] - plain[row], expected[row] - plain[row]
        assert expected_change.norm() > 1e-4 * plain[row].norm()
        assert (change - expected_change).norm() < 0.02 * expected_change.norm()


def test_zero_weight_changes_nothing_and_hooks_are_removed(checkpoints: dict[str, LoadedModel]) -> None:
    toy: Any = checkpoints["sd1"]
    latents, text = torch.randn(3, 4, 8, 8), conditioning(toy)
    before = hook_counts(unet_of(toy))
    plain = toy.predict(latents, STEPS, text)
    for blind in (ReferenceWeight(0, 1), ReferenceWeight(1, 0)):
        patch = references(torch.randn(3, 4, 8, 8), [blind] * 3)
        assert torch.equal(toy.predict(latents, STEPS, text, patches=[patch]), plain)
    for wrong in (torch.randn(3, 5, 8, 8), torch.randn(1, 4, 8, 8)):
        with pytest.raises((RuntimeError, IndexError)):
            toy.predict(latents, STEPS, text, patches=[references(wrong, WEIGHTS)])
    assert hook_counts(unet_of(toy)) == before
    assert torch.equal(toy.predict(latents, STEPS, text), plain)


def test_reference_attention_of_a_row_ignores_other_rows(checkpoints: dict[str, LoadedModel]) -> None:
    toy: Any = checkpoints["sd1"]
    latents, reference = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8)
    together = toy.predict(latents, STEPS, conditioning(toy), patches=[references(reference, WEIGHTS)])
    for row in range(3):
        part = slice(row, row + 1)
        alone = toy.predict(
            latents[part], STEPS[part], conditioning(toy, 1), patches=[references(reference[part], WEIGHTS[part])]
        )
        torch.testing.assert_close(together[part], alone, rtol=1e-4, atol=1e-4)


def test_reference_style_encodes_the_middle_once_per_size(checkpoints: dict[str, LoadedModel]) -> None:
    toy: Any = checkpoints["sd1"]
    wide = np.zeros((64, 192, 3), np.uint8)
    wide[:, 64:128] = 200
    style, middle = ReferenceStyle(wide, 0.5, 1.0), ReferenceStyle(wide[:, 64:128], 0.5, 1.0)
    assert torch.equal(style.latents(toy.encode, 64, 64), middle.latents(toy.encode, 64, 64))
    assert style.latents(toy.encode, 64, 64) is style.latents(toy.encode, 64, 64)
    assert style.latents(toy.encode, 128, 64).shape == (1, 4, 8, 16)
    assert (style.row_weight(prompted=True), style.row_weight(prompted=False)) == (
        ReferenceWeight(1, 1),
        ReferenceWeight(0.5, 1),
    )
