"""Packed sets: room for all of a batch, and each set where the layout says."""

from __future__ import annotations

import torch
from torch import Tensor

from models.adapters.lora_additions import Addition
from models.adapters.lora_packing import RANKS, Layout, LoraSet, common_layout


def product(path: str, rank: int, value: float = 1.0) -> tuple[Addition, list[Tensor]]:
    tensors = [torch.full((8, rank), value), torch.full((rank, 6), -value)]
    return Addition(path, "product", (), tuple(tuple(each.shape) for each in tensors)), tensors


def bias(path: str, value: float = 1.0) -> tuple[Addition, list[Tensor]]:
    return Addition(path, "bias", (), ((8,),)), [torch.full((8,), value)]


def ranks(layout: Layout) -> dict[str, int]:
    return {each.path: each.shapes[0][1] for each in layout.additions if each.kind == "product"}


def test_layout_has_room_for_all_sets() -> None:
    """Each module has a rank of its own: a high one of a single module must not cost the others."""
    small = LoraSet(dict([product("proj", 3), product("time", 20), bias("proj")]))
    large = LoraSet(dict([product("proj", 9), bias("norm")]))
    assert ranks(small.layout) == {"proj": 4, "time": 32}
    both = common_layout([small, large])
    assert ranks(both) == {"proj": 16, "time": 32}
    assert [each.path for each in both.additions if each.kind == "bias"] == ["norm", "proj"]
    assert both == common_layout([large, small])


def test_sets_of_one_shape_have_one_layout() -> None:
    sets = [LoraSet(dict([product("proj", rank)])) for rank in (5, 6, 8)]
    assert len({each.layout for each in sets}) == 1
    assert common_layout(sets).additions == sets[0].layout.additions


def test_layout_has_room_for_the_next_number_of_sets() -> None:
    sets, empty = [LoraSet(dict([product("proj", 4)])) for _ in range(8)], LoraSet({})
    assert [common_layout([empty, *sets[:count]]).sets for count in (0, 1, 2, 3, 5, 8)] == [1, 1, 2, 4, 8, 8]
    layout = common_layout(sets[:3])
    assert layout.bytes(torch.float16) == 2 * 5 * layout.numbers


def test_set_is_packed_in_every_layout() -> None:
    one = LoraSet(dict([product("proj", 3, 2.0), bias("proj", 7.0)]))
    wide = common_layout([one, LoraSet(dict([product("proj", 30), product("time", 3), bias("norm")]))])
    for layout in (one.layout, wide, one.layout):
        found = {each.place: tensors for each, tensors in layout.unpack(one.packed(layout, torch.float32)[None])}
        up, down = found["proj", "product", ()]
        assert torch.equal(up[0, :, :3], torch.full((8, 3), 2.0))
        assert torch.equal(down[0, :3], torch.full((3, 6), -2.0))
        assert float(sum(tensor.abs().sum() for tensors in found.values() for tensor in tensors)) == 84 + 56


def test_set_is_packed_once_for_a_layout() -> None:
    one = LoraSet(dict([product("proj", 3)]))
    packed = one.packed(one.layout, torch.float32)
    assert one.packed(common_layout([one, LoraSet(dict([product("proj", 4)]))]), torch.float32) is packed
    assert one.bytes == packed.nbytes
    assert one.packed(one.layout, torch.float16).dtype == torch.float16


def test_every_rank_has_a_room() -> None:
    assert [ranks(LoraSet(dict([product("x", rank)])).layout)["x"] for rank in RANKS] == list(RANKS)
