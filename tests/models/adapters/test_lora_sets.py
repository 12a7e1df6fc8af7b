"""Sets of what costs less beside the weights; computed once, as many as a batch may have, and the empty one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from models.adapters import lora_sets
from models.adapters.lora import Lora
from models.adapters.lora_merge import MergedNet
from models.adapters.lora_packing import MOST_SETS, RANKS
from models.adapters.lora_sets import LoraSets, lora_set


def net(part: str = "unet") -> MergedNet:
    return MergedNet(nn.ModuleDict({"proj": nn.Linear(4, 4)}).requires_grad_(False), part)


def lora(part: str = "unet") -> Lora:
    return Lora("x", {part: {"proj": {"down": torch.ones(4, 4), "up": torch.ones(4, 4)}}})


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


def test_kept_sets_have_a_bound_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    sets, unet, each = LoraSets(), net(), [[(lora(), 0.5)] for _ in range(6)]
    first = sets.find(unet, each[0])
    assert first is not None
    monkeypatch.setattr(lora_sets, "MOST_BYTES", 2 * first.bytes)
    found = [sets.find(unet, scales) for scales in each]
    assert sets.find(unet, each[-1]) is found[-1]
    assert sets.find(unet, each[-4]) is found[-4]
    assert sets.find(unet, each[0]) is not first


def test_set_that_no_batch_has_room_for_is_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    found = lora_set(net(), [(lora(), 0.5)])
    assert found is not None
    monkeypatch.setattr(lora_sets, "MOST_BYTES", found.layout.bytes(torch.float32) - 1)
    assert lora_set(net(), [(lora(), 0.5)]) is None


def test_set_that_the_device_has_no_memory_for_is_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("no memory")

    sets, unet, scales = LoraSets(), net(), [(lora(), 0.5)]
    with monkeypatch.context() as patched:
        patched.setattr(lora_sets, "lora_set", full)
        assert sets.find(unet, scales) is None
    assert sets.find(unet, scales) is not None


def test_set_that_cannot_be_computed_is_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    """All tasks that wait depend on this answer."""

    def failing(*_: object) -> None:
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(lora_sets, "lora_set", failing)
    assert LoraSets().find(net(), [(lora(), 0.5)]) is None


WIDE = RANKS[-1] + 8


@pytest.mark.parametrize(
    "factors",
    [
        {"down": torch.ones(2, WIDE), "up": torch.ones(WIDE, 2), "dora_scale": torch.ones(WIDE, 1)},
        {"diff": torch.ones(WIDE, WIDE)},
        {"down": torch.ones(RANKS[-1] + 1, WIDE), "up": torch.ones(WIDE, RANKS[-1] + 1)},
        {"down": torch.ones(2, 24), "up": torch.ones(WIDE, 2)},
        {"down": torch.full((2, WIDE), 1e38), "up": torch.full((WIDE, 2), 1e38)},
        {"diff_b": torch.ones(3)},
    ],
    ids=["dora", "full", "rank", "misfit", "infinity", "bias of another size"],
)
def test_what_is_to_be_merged_is_no_set(factors: dict[str, Any]) -> None:
    wide = MergedNet(nn.ModuleDict({"proj": nn.Linear(WIDE, WIDE)}).requires_grad_(False), "unet")
    assert lora_set(wide, [(Lora("x", {"unet": {"proj": factors}}), 10.0)]) is None


def test_ranks_of_several_loras_add_up() -> None:
    wide = MergedNet(nn.ModuleDict({"proj": nn.Linear(WIDE, WIDE)}).requires_grad_(False), "unet")
    half = Lora("x", {"unet": {"proj": {"down": torch.ones(64, WIDE), "up": torch.ones(WIDE, 64)}}})
    assert lora_set(wide, [(half, 0.5), (half, 0.5)]) is not None
    assert lora_set(wide, [(half, 0.5), (half, 0.5), (lora(), 0.5), (half, 0.1)]) is None


def test_no_loras_are_an_empty_set() -> None:
    for scales in ([], [(lora(), 0.0), (Lora("x", {"text_encoder": {}}), 1.0)]):
        found = lora_set(net(), scales)
        assert found is not None
        assert found.layout.additions == ()


def test_modules_that_the_net_lacks_are_left_out() -> None:
    other = Lora("x", {"unet": {"absent": {"diff": torch.ones(4, 4)}}})
    found = lora_set(net(), [(other, 1.0)])
    assert found is not None
    assert found.layout.additions == ()
