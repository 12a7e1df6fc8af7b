"""Sets are computed once, as many as a batch may have, and the empty one."""

from __future__ import annotations

import torch
from torch import nn

from models.adapters.lora import Lora
from models.adapters.lora_beside import MOST_SETS
from models.adapters.lora_merge import MergedNet
from models.adapters.lora_sets import LoraSets


def net(part: str = "unet") -> MergedNet:
    return MergedNet(nn.ModuleDict({"proj": nn.Linear(4, 4)}).requires_grad_(False), part)


def lora(part: str = "unet") -> Lora:
    return Lora("x", {part: {"proj": {"down": torch.ones(2, 4), "up": torch.ones(4, 2)}}})


def test_all_sets_of_a_batch_are_kept() -> None:
    sets, unet = LoraSets(), net()
    asked = [[], *([(lora(), 0.5)] for _ in range(MOST_SETS))]
    found = [sets.find(unet, scales) for scales in asked]
    assert all(sets.find(unet, scales) is first for scales, first in zip(asked, found, strict=True))


def test_oldest_set_is_forgotten_but_none_of_another_net() -> None:
    sets, unet, encoder = LoraSets(), net(), net("text_encoder")
    text = sets.find(encoder, [])
    first = [(lora(), 0.5)]
    before = sets.find(unet, first)
    for _ in range(MOST_SETS + 1):
        sets.find(unet, [(lora(), 0.5)])
    assert sets.find(unet, first) is not before
    assert sets.find(encoder, []) is text


def test_cleared_sets_are_computed_again() -> None:
    sets, unet, scales = LoraSets(), net(), [(lora(), 0.5)]
    before = sets.find(unet, scales)
    sets.clear()
    assert sets.find(unet, scales) is not before
