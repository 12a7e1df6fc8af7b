"""Updates that depend on the weight, against the published equations."""

import pytest
import torch
from torch import Tensor

from models.adapters.lora_delta import UnknownAlgorithmError
from models.adapters.lora_update import compute_update

RANK, OUT, IN = 2, 6, 4


def close(ours: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(ours.reshape_as(expected), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", [(), (3, 3)])
@pytest.mark.parametrize("on_input", [True, False])
def test_ia3_scales_inputs_or_outputs(on_input: bool, kernel: tuple[int, ...]) -> None:
    weight, scales = torch.randn(OUT, IN, *kernel), torch.randn(IN if on_input else OUT)
    update = compute_update({"weight": scales, "on_input": torch.tensor(on_input)}, weight)
    for index, scale in enumerate(scales):
        row = (slice(None), index) if on_input else (index,)
        close(update[row], scale * weight[row])


def test_dora_of_lycoris_has_a_magnitude_for_each_column_or_row() -> None:
    weight, down, up = torch.randn(OUT, IN), torch.randn(RANK, IN), torch.randn(OUT, RANK)
    changed = weight + up @ down
    for axis, shape in ((0, (OUT, 1)), (1, (1, IN))):
        scale = torch.rand(shape)
        update = compute_update({"down": down, "up": up, "dora_scale": scale}, weight)
        close(update + weight, scale * changed / changed.norm(dim=1 - axis, keepdim=True))


def test_dora_of_peft_normalises_each_row_of_a_convolution() -> None:
    weight, down, up = torch.randn(OUT, IN, 3, 3), torch.randn(RANK, IN, 3, 3), torch.randn(OUT, RANK, 1, 1)
    magnitude = torch.rand(1, OUT, 1, 1)
    update = compute_update({"down": down, "up": up, "lora_magnitude_vector": magnitude}, weight)
    rows = weight.flatten(1) + up.flatten(1) @ down.flatten(1)
    close((update + weight).flatten(1).norm(dim=1), magnitude.flatten())
    close((update + weight).flatten(1), magnitude.reshape(-1, 1) * rows / rows.norm(dim=1, keepdim=True))


def test_glora_of_both_orders_of_factors() -> None:
    weight = torch.randn(OUT, IN)
    a1, a2, b1, b2 = torch.randn(IN, RANK), torch.randn(RANK, IN), torch.randn(OUT, RANK), torch.randn(RANK, IN)
    expected = 1.5 * (weight @ a1 @ a2 + b1 @ b2)
    alpha = torch.tensor(3.0)
    close(compute_update({"a1": a1, "a2": a2, "b1": b1, "b2": b2, "alpha": alpha}, weight), expected)
    close(compute_update({"a1": a2, "a2": a1, "b1": b2, "b2": b1, "alpha": alpha}, weight), expected)


def test_full_delta_is_added_as_it_is() -> None:
    delta = torch.randn(OUT)
    assert torch.equal(compute_update({"diff": delta}, torch.randn(OUT)), delta)


def test_factors_that_do_not_fit_the_weight_are_refused() -> None:
    with pytest.raises(
        UnknownAlgorithmError, match=r"\(on_input \[\], weight \[5\]\) do not fit a weight of shape \[6, 4\]"
    ):
        compute_update({"weight": torch.ones(5), "on_input": torch.tensor(1)}, torch.ones(OUT, IN))
