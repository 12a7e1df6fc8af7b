from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.adapters.lora_delta import UnknownAlgorithmError, delta

RANK = 3


def close(ours: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


def test_low_rank_is_two_layers_in_a_row() -> None:
    down, up, given = torch.randn(RANK, 5), torch.randn(7, RANK), torch.randn(2, 5)
    update = delta({"down": down, "up": up, "alpha": torch.tensor(6.0)})
    close(given @ update.T, 2 * F.linear(F.linear(given, down), up))
    close(delta({"down": down, "up": up}) * 2, update)


def test_a_convolution_is_low_rank_too() -> None:
    down, up, given = torch.randn(RANK, 5, 3, 3), torch.randn(7, RANK, 1, 1), torch.randn(1, 5, 8, 8)
    update = delta({"down": down, "up": up}).view(7, 5, 3, 3)
    close(F.conv2d(given, update, padding=1), F.conv2d(F.conv2d(given, down, padding=1), up))


def test_a_small_convolution_between_two_that_mix_channels() -> None:
    down, mid, up = torch.randn(RANK, 5, 1, 1), torch.randn(RANK, RANK, 3, 3), torch.randn(7, RANK, 1, 1)
    given = torch.randn(1, 5, 8, 8)
    expected = F.conv2d(F.conv2d(F.conv2d(given, down), mid, padding=1), up)
    close(F.conv2d(given, delta({"down": down, "mid": mid, "up": up}), padding=1), expected)


def test_a_hadamard_product_multiplies_entry_by_entry() -> None:
    factors = {f"hada_w{place}_{side}": torch.randn(*shape) for place in (1, 2) for side, shape in SIDES.items()}
    one, two = (factors[f"hada_w{place}_a"] @ factors[f"hada_w{place}_b"] for place in (1, 2))
    close(delta({**factors, "alpha": torch.tensor(1.0)}), one * two / RANK)


def test_a_kronecker_product_repeats_the_large_by_the_small() -> None:
    small, large = torch.randn(2, 3), torch.randn(4, 5)
    expected = torch.cat([torch.cat([small[i, j] * large for j in range(3)], dim=1) for i in range(2)])
    close(delta({"lokr_w1": small, "lokr_w2": large, "alpha": torch.tensor(9.0)}), expected)
    sides = {"lokr_w2_a": torch.randn(4, RANK), "lokr_w2_b": torch.randn(RANK, 5)}
    expected = torch.kron(small, sides["lokr_w2_a"] @ sides["lokr_w2_b"])
    close(delta({"lokr_w1": small, **sides, "alpha": torch.tensor(6.0)}), 2 * expected)
    kernel = torch.randn(4, 5, 3, 3)
    close(delta({"lokr_w1": small, "lokr_w2": kernel})[4:, :5], small[1, 0] * kernel)


def test_a_tucker_core_spreads_over_both_sides() -> None:
    core, out, into = torch.randn(RANK, RANK, 3, 3), torch.randn(RANK, 7), torch.randn(RANK, 5)
    halves = {"t1": core, "w1_a": out, "w1_b": into, "t2": core, "w2_a": out, "w2_b": into}
    # An input channel goes into the core's second place, an output channel comes out of its first.
    spread = torch.stack(
        [torch.stack([(core * out[:, o, None, None, None] * into[:, i, None, None]).sum((0, 1)) for i in range(5)])
         for o in range(7)]
    )  # fmt: skip
    close(delta({f"hada_{name}": tensor for name, tensor in halves.items()}), spread**2)


@pytest.mark.parametrize("more", [{"dora_scale": torch.ones(7, 1)}, {"hada_w1_a": torch.ones(1)}, {"diff": None}])
def test_other_algorithms_are_refused_by_name(more: dict[str, Any]) -> None:
    factors = {"down": torch.randn(RANK, 5), "up": torch.randn(7, RANK)} | more
    given = {role: tensor if tensor is not None else torch.ones(7, 5) for role, tensor in factors.items()}
    with pytest.raises(UnknownAlgorithmError, match=next(iter(more))):
        delta(given)


def test_half_a_lokr_is_refused() -> None:
    with pytest.raises(UnknownAlgorithmError, match="lacks factor 2"):
        delta({"lokr_w1": torch.ones(2, 2), "lokr_w2_a": torch.ones(2, 2)})


SIDES = {"a": (7, RANK), "b": (RANK, 5)}
