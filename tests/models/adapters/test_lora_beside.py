"""LoRAs beside the weights: each row as if its own were merged, and rows without any as if there were none."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from models.adapters import lora_additions
from models.adapters.lora import Lora
from models.adapters.lora_beside import beside
from models.adapters.lora_merge import MergedNet
from models.adapters.lora_packing import LoraSet, common_layout
from models.adapters.lora_sets import lora_set
from models.patches.circular_padding import circular_padding


class Net(nn.Module):
    """The kinds of layers that a UNet has."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(4, 16, 3, padding=1)
        self.norm1 = nn.GroupNorm(4, 16)
        self.conv_out = nn.Conv2d(16, 16, 3, padding=1, stride=2)
        self.time = nn.Linear(8, 16)
        self.norm2 = nn.LayerNorm(16)
        self.proj = nn.Linear(16, 16, bias=False)

    def forward(self, latents: Tensor, times: Tensor) -> Tensor:
        x = torch.tanh(self.norm1(self.conv_in(latents)) + self.time(times)[:, :, None, None])
        return self.proj(self.norm2(self.conv_out(x).flatten(2).transpose(1, 2)))


@pytest.fixture(scope="module")
def net() -> Net:
    torch.manual_seed(0)
    return Net().requires_grad_(False).eval()


SHAPES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "conv_in": ((4, 3, 3), (16,)),
    "conv_out": ((16, 3, 3), (16,)),
    "time": ((8,), (16,)),
    "proj": ((16,), (16,)),
}
"""What follows the rank in down, and precedes it in up."""


def lora(seed: int, rank: int = 3, *modules: str) -> Lora:
    generator = torch.Generator().manual_seed(seed)
    factors = {}
    for name in modules or SHAPES:
        inputs, outputs = SHAPES[name]
        up = torch.randn(*outputs, rank, *[1] * (len(inputs) - 1), generator=generator)
        factors[name] = {"down": torch.randn(rank, *inputs, generator=generator), "up": up, "alpha": torch.tensor(2.0)}
    return Lora(f"lora-{seed}", {"unet": factors})


def sums(seed: int) -> Lora:
    """Every kind of update that is a sum but for narrow products, and one of these."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    factors = {
        "conv_in": {"diff": random(16, 4, 3, 3), "diff_b": random(16)},
        "norm1": {"diff": random(16), "diff_b": random(16)},
        "conv_out": {"lokr_w1": random(4, 4), "lokr_w2": random(4, 4, 3, 3), "diff_b": random(16)},
        "time": {"down": random(2, 8), "up": random(16, 2), "diff_b": random(16)},
        "norm2": {"diff": random(16), "diff_b": random(16)},
        "proj": {"lokr_w1": random(4, 4), "lokr_w2": random(4, 4)},
    }
    return Lora(f"sums-{seed}", {"unet": factors})


def inputs(rows: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(rows, 4, 8, 8, generator=generator), torch.randn(rows, 8, generator=generator)


def merged(net: Net, *scales: tuple[Lora, float], circular: bool = False) -> Tensor:
    own = copy.deepcopy(net)
    MergedNet(own, "unet").switch(scales)
    with circular_padding(own, circular):
        return own(*inputs(4))


def set_of(net: Net, *scales: tuple[Lora, float]) -> LoraSet:
    found = lora_set(MergedNet(net, "unet"), scales)
    assert found is not None
    return found


def together(net: Net, sets: list[LoraSet], rows: list[int], *, circular: bool = False) -> Tensor:
    layout = common_layout(sets)
    packed = torch.stack([torch.zeros(layout.numbers), *(each.packed(layout, torch.float32) for each in sets)])
    with circular_padding(net, circular), beside(net, layout, packed, torch.tensor(rows)):
        return net(*inputs(4))


@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize("most_together", [0, 1000])
def test_each_row_has_its_own_loras(
    net: Net, circular: bool, most_together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways to multiply."""
    monkeypatch.setattr(lora_additions, "MOST_TOGETHER", most_together)
    first, second = [(lora(1), 0.7)], [(lora(2, 7, "proj", "conv_in"), -1.2), (lora(3, 2, "time"), 0.5)]
    mixed = together(net, [set_of(net, *first), set_of(net, *second)], [1, 0, 2, 1], circular=circular)
    expected = [merged(net, *scales, circular=circular) for scales in (first, [], second, first)]
    for row, each in enumerate(expected):
        assert torch.allclose(mixed[row], each[row], rtol=1e-5, atol=1e-5 * float(each.abs().max()))
    assert not torch.allclose(expected[0], expected[1], atol=0.1)


@pytest.mark.parametrize("circular", [False, True])
def test_rows_have_sums_of_every_kind(net: Net, circular: bool) -> None:
    """Also two of a kind in one set."""
    first, second = [(sums(1), 0.7), (sums(4), -0.4), (lora(3), 0.3)], [(sums(2), -1.0)]
    sets = [set_of(net, *scales) for scales in (first, second, [(lora(2), 0.5)])]
    assert {each.kind for each in sets[0].layout.additions} == {"product", "kronecker", "bias", "norm"}
    mixed = together(net, sets, [1, 0, 2, 3], circular=circular)
    for row, scales in enumerate((first, [], second, [(lora(2), 0.5)])):
        each = merged(net, *scales, circular=circular)[row]
        assert float((mixed[row] - each).abs().max()) <= 2e-5 * float(each.abs().max())
    assert torch.equal(mixed[1], net(*inputs(4))[1]) is not circular


@pytest.mark.parametrize("most_together", [0, 1000])
def test_row_without_loras_keeps_its_bits(net: Net, most_together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora_additions, "MOST_TOGETHER", most_together)
    mixed = together(net, [set_of(net, (lora(1), 0.7))], [0, 1, 0, 1])
    plain = net(*inputs(4))
    assert torch.equal(mixed[[0, 2]], plain[[0, 2]])


@pytest.mark.parametrize("most_together", [0, 1000])
def test_set_that_overflows_spoils_no_neighbour(net: Net, most_together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora_additions, "MOST_TOGETHER", most_together)
    large = lora(1)
    for factors in large.updates["unet"].values():
        factors["down"].mul_(1e38)
    mixed = together(net, [set_of(net, (large, 1.0)), set_of(net, (lora(2), 0.7))], [0, 1, 0, 2])
    assert not mixed[1].isfinite().all()
    assert torch.equal(mixed[[0, 2]], net(*inputs(4))[[0, 2]])
    assert torch.allclose(mixed[3], merged(net, (lora(2), 0.7))[3], rtol=1e-5, atol=1e-3)


def test_net_is_as_before_afterwards(net: Net) -> None:
    before = net(*inputs(4))
    with pytest.raises(RuntimeError):
        together(net, [set_of(net, (lora(1), 0.7))], [0, 1, 1])
    assert torch.equal(net(*inputs(4)), before)


@pytest.mark.parametrize("make", [lora, sums])
def test_all_rows_may_have_one_set(net: Net, make: Callable[[int], Lora]) -> None:
    one = set_of(net, (make(1), 0.7))
    packed = one.packed(one.layout, torch.float32)[None]
    with beside(net, one.layout, packed, None):
        result = net(*inputs(4))
    expected = merged(net, (make(1), 0.7))
    assert torch.allclose(result, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_modules_may_be_left_out(net: Net) -> None:
    one, without = set_of(net, (lora(1), 0.7)), lora(1)
    del without.updates["unet"]["proj"]
    packed = one.packed(one.layout, torch.float32)[None]
    with beside(net, one.layout, packed, None, [net.proj]):
        result = net(*inputs(4))
    expected = merged(net, (without, 0.7))
    assert torch.allclose(result, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
