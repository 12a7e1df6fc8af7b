"""Updates as products: equal to the whole update, for every algorithm that is a sum of products."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from models.adapters.lora_delta import compute_delta
from models.adapters.low_rank import low_rank


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


HALF = torch.tensor(2.0)
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
    "kronecker": ({"lokr_w1": random(3, 2), "lokr_w2_a": random(4, 2), "lokr_w2_b": random(2, 36), "alpha": HALF}, 4),
}


@pytest.mark.parametrize(("factors", "rank"), PRODUCTS.values(), ids=PRODUCTS)
def test_product_equals_the_update(factors: dict[str, Tensor], rank: int) -> None:
    product = low_rank(factors)
    assert product is not None
    assert product.rank == rank
    update = compute_delta(factors).flatten()
    assert torch.allclose((product.up @ product.down.flatten(1)).flatten(), update, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "factors",
    [
        {"diff": random(12, 8)},
        {"down": random(4, 8), "up": random(12, 4), "dora_scale": random(12, 1)},
        {"down": random(4, 8), "up": random(12, 4), "diff_b": random(12)},
        {"lokr_w1": random(3, 2), "lokr_w2": random(4, 4)},
        {"on_input": torch.tensor(True), "weight": random(8)},
        {"oft_diag": random(3, 4, 4)},
    ],
)
def test_what_is_no_narrow_product_is_none(factors: dict[str, Tensor]) -> None:
    assert low_rank(factors) is None
