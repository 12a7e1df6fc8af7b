"""Updates in their cheap form: equal to the whole update, for every algorithm that has one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from models.adapters.cheap_forms import MOST_RANK, DenseKronecker, find_cheap_form
from models.adapters.lora_delta import LowRank, compute_delta


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


HALF = torch.tensor(2.0)
CORE = {"w": (3, 20), "t": (3, 3, 3, 3)}
PRODUCTS = {
    "linear": ({"down": random(4, 8), "up": random(12, 4), "alpha": HALF}, 4),
    "conv": ({"down": random(4, 8, 3, 3), "up": random(12, 4, 1, 1), "alpha": HALF}, 4),
    "conv of three": ({"down": random(4, 8, 1, 1), "up": random(12, 4, 1, 1), "mid": random(4, 4, 3, 3)}, 4),
    "hadamard": (
        {
            "hada_w1_a": random(12, 3),
            "hada_w1_b": random(3, 8),
            "hada_w2_a": random(12, 2),
            "hada_w2_b": random(2, 8),
            "alpha": HALF,
        },
        6,
    ),
    "hadamard of cores": (
        {f"hada_{name}": random(*CORE[name[0]]) for name in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2")},
        9,
    ),
    "kronecker of a core": (
        {
            "lokr_w1": random(4, 4),
            "lokr_t2": random(2, 2, 3, 3),
            "lokr_w2_a": random(2, 40),
            "lokr_w2_b": random(2, 40),
            "alpha": HALF,
        },
        8,
    ),
    "kronecker of a core of rank 1": (
        {
            "lokr_w1": random(4, 4),
            "lokr_t2": random(1, 1, 3, 3),
            "lokr_w2_a": random(1, 40),
            "lokr_w2_b": random(1, 40),
            "alpha": HALF,
        },
        4,
    ),
    "full": ({"diff": random(12, 200)}, 12),
    "full of few inputs": ({"diff": random(200, 4, 3, 3)}, 36),
}
KRONECKERS = {
    "factors": {"lokr_w1": random(4, 4), "lokr_w2_a": random(40, 20), "lokr_w2_b": random(20, 360), "alpha": HALF},
    "full": {"lokr_w1": random(4, 4), "lokr_w2": random(40, 40, 3, 3), "alpha": HALF},
    "core": {
        "lokr_w1": random(4, 4),
        "lokr_t2": random(20, 20, 3, 3),
        "lokr_w2_a": random(20, 40),
        "lokr_w2_b": random(20, 40),
        "alpha": HALF,
    },
    "both of factors": {
        "lokr_w1_a": random(4, 3),
        "lokr_w1_b": random(3, 4),
        "lokr_w2_a": random(40, 16),
        "lokr_w2_b": random(16, 360),
        "alpha": HALF,
    },
}


@pytest.mark.parametrize(("factors", "rank"), PRODUCTS.values(), ids=PRODUCTS)
def test_product_equals_the_update(factors: dict[str, Tensor], rank: int) -> None:
    whole = whole_update(factors)
    product = find_cheap_form(factors, whole.shape)
    assert isinstance(product, LowRank)
    assert product.rank == rank
    assert product.down.shape[1:] == whole.shape[1:]
    torch.testing.assert_close(product.dense(), whole, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("factors", KRONECKERS.values(), ids=KRONECKERS)
def test_kronecker_product_equals_the_update(factors: dict[str, Tensor]) -> None:
    whole = whole_update(factors).reshape(160, 160, 3, 3)
    kronecker = find_cheap_form(factors, whole.shape)
    assert isinstance(kronecker, DenseKronecker)
    assert kronecker.large.shape == (40, 40, 3, 3)
    torch.testing.assert_close(
        torch.kron(kronecker.small[..., None, None], kronecker.large),
        whole,
        rtol=1e-5,
        atol=1e-5 * float(whole.abs().max()),
    )


def test_kronecker_product_of_low_rank_is_a_narrow_one() -> None:
    """It costs less so."""
    factors = {"lokr_w1": random(3, 2), "lokr_w2_a": random(40, 1), "lokr_w2_b": random(1, 60)}
    product = find_cheap_form(factors, (120, 120))
    assert isinstance(product, LowRank)
    assert product.rank == 2
    torch.testing.assert_close(product.dense(), compute_delta(factors), rtol=1e-5, atol=1e-5)


def test_high_rank_of_a_small_weight_is_that_of_the_weight() -> None:
    factors = {f"hada_w{index}_a": random(24, 8) for index in (1, 2)} | {
        f"hada_w{index}_b": random(8, 16) for index in (1, 2)
    }
    product = find_cheap_form(factors, (24, 16))
    assert isinstance(product, LowRank)
    assert product.rank == 16
    torch.testing.assert_close(product.dense(), compute_delta(factors), rtol=1e-5, atol=1e-5)


WIDE = MOST_RANK + 8


@pytest.mark.parametrize(
    ("factors", "shape"),
    [
        ({"diff": random(WIDE, WIDE)}, (WIDE, WIDE)),
        ({"down": random(WIDE, 256), "up": random(256, WIDE)}, (256, 256)),
        ({f"hada_w{i}_{side}": random(WIDE, WIDE) for i in (1, 2) for side in "ab"}, (WIDE, WIDE)),
        ({"lokr_w1": random(2, 2), "lokr_w2": random(WIDE, WIDE)}, (2 * WIDE, 2 * WIDE)),
        ({"down": random(4, 8), "up": random(12, 4), "dora_scale": random(12, 1)}, (12, 8)),
        ({"on_input": torch.tensor(True), "weight": random(8)}, (12, 8)),
        ({"oft_diag": random(3, 4, 4)}, (12, 12)),
    ],
    ids=["full", "low rank", "hadamard", "kronecker", "dora", "ia3", "oft"],
)
def test_what_costs_too_much_or_depends_on_the_weight_is_none(factors: dict[str, Tensor], shape: Sequence[int]) -> None:
    assert find_cheap_form(factors, shape) is None


@pytest.mark.parametrize(
    "factors",
    [
        {"down": random(4, 8), "up": random(13, 4)},
        {"down": random(4, 9), "up": random(12, 4)},
        {"down": random(4, 8), "up": random(12, 5)},
        {"diff": random(8, 12)},
        {"lokr_w1": random(4, 3), "lokr_w2": random(3, 3)},
        {"unknown": random(12, 8)},
    ],
)
def test_what_does_not_fit_is_none(factors: dict[str, Tensor]) -> None:
    assert find_cheap_form(factors, (12, 8)) is None


def whole_update(factors: dict[str, Tensor]) -> Tensor:
    return factors["diff"] if "diff" in factors else compute_delta(factors)
