from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.adapters.lora_delta import UnknownAlgorithmError, compute_delta

RANK = 3


def close(ours: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


def test_low_rank_equals_two_linear_layers() -> None:
    down, up, inputs = torch.randn(RANK, 5), torch.randn(7, RANK), torch.randn(2, 5)
    update = compute_delta({"down": down, "up": up, "alpha": torch.tensor(6.0)})
    close(inputs @ update.T, 2 * F.linear(F.linear(inputs, down), up))
    close(compute_delta({"down": down, "up": up}) * 2, update)


def test_low_rank_convolution_equals_two_convolutions() -> None:
    down, up, inputs = torch.randn(RANK, 5, 3, 3), torch.randn(7, RANK, 1, 1), torch.randn(1, 5, 8, 8)
    update = compute_delta({"down": down, "up": up}).view(7, 5, 3, 3)
    close(F.conv2d(inputs, update, padding=1), F.conv2d(F.conv2d(inputs, down, padding=1), up))


def test_mid_factor_equals_three_convolutions() -> None:
    down, mid, up = torch.randn(RANK, 5, 1, 1), torch.randn(RANK, RANK, 3, 3), torch.randn(7, RANK, 1, 1)
    inputs = torch.randn(1, 5, 8, 8)
    expected = F.conv2d(F.conv2d(F.conv2d(inputs, down), mid, padding=1), up)
    close(F.conv2d(inputs, compute_delta({"down": down, "mid": mid, "up": up}), padding=1), expected)


def test_loha_is_a_hadamard_product() -> None:
    factors = {f"hada_w{index}_{part}": torch.randn(*shape) for index in (1, 2) for part, shape in SHAPES.items()}
    one, two = (factors[f"hada_w{index}_a"] @ factors[f"hada_w{index}_b"] for index in (1, 2))
    close(compute_delta({**factors, "alpha": torch.tensor(1.0)}), one * two / RANK)


def test_lokr_is_a_kronecker_product() -> None:
    small, large = torch.randn(2, 3), torch.randn(4, 5)
    expected = torch.cat([torch.cat([small[i, j] * large for j in range(3)], dim=1) for i in range(2)])
    close(compute_delta({"lokr_w1": small, "lokr_w2": large, "alpha": torch.tensor(9.0)}), expected)
    factors = {"lokr_w2_a": torch.randn(4, RANK), "lokr_w2_b": torch.randn(RANK, 5)}
    expected = torch.kron(small, factors["lokr_w2_a"] @ factors["lokr_w2_b"])
    close(compute_delta({"lokr_w1": small, **factors, "alpha": torch.tensor(6.0)}), 2 * expected)
    kernel = torch.randn(4, 5, 3, 3)
    close(compute_delta({"lokr_w1": small, "lokr_w2": kernel})[4:, :5], small[1, 0] * kernel)


def test_tucker_core_is_contracted_with_both_factors() -> None:
    core, out, into = torch.randn(RANK, RANK, 3, 3), torch.randn(RANK, 7), torch.randn(RANK, 5)
    halves = {"t1": core, "w1_a": out, "w1_b": into, "t2": core, "w2_a": out, "w2_b": into}
    # The second axis of the core belongs to input channels, the first to output channels.
    expanded = torch.stack(
        [torch.stack([(core * out[:, o, None, None, None] * into[:, i, None, None]).sum((0, 1)) for i in range(5)])
         for o in range(7)]
    )  # fmt: skip
    close(compute_delta({f"hada_{name}": tensor for name, tensor in halves.items()}), expanded**2)


def test_lokr_of_a_convolution_has_a_core() -> None:
    small, core, out, into = (
        torch.randn(2, 2),
        torch.randn(RANK, RANK, 3, 3),
        torch.randn(RANK, 4),
        torch.randn(RANK, 5),
    )
    large = sum(
        core[r, s] * out[r][:, None, None, None] * into[s][None, :, None, None]
        for r in range(RANK)
        for s in range(RANK)
    )
    expected = torch.cat([torch.cat([small[i, j] * large for j in range(2)], dim=1) for i in range(2)])
    factors = {"lokr_w1": small, "lokr_t2": core, "lokr_w2_a": out, "lokr_w2_b": into}
    close(compute_delta(factors | {"alpha": torch.tensor(6.0)}), 2 * expected)


@pytest.mark.parametrize("extra", [{"dora_scale": torch.ones(7, 1)}, {"hada_w1_a": torch.ones(1)}, {"diff": None}])
def test_other_algorithms_are_refused_by_name(extra: dict[str, Any]) -> None:
    factors = {"down": torch.randn(RANK, 5), "up": torch.randn(7, RANK)} | extra
    inputs = {role: tensor if tensor is not None else torch.ones(7, 5) for role, tensor in factors.items()}
    with pytest.raises(UnknownAlgorithmError, match=next(iter(extra))):
        compute_delta(inputs)


def test_loha_operands_of_different_shapes_are_refused() -> None:
    """torch would repeat the smaller one."""
    shapes = {"hada_w1_a": (4, 2), "hada_w1_b": (2, 6), "hada_w2_a": (1, 2), "hada_w2_b": (2, 6)}
    with pytest.raises(UnknownAlgorithmError, match=r"do not fit each other \(hada_w1_a \[4, 2\]"):
        compute_delta({role: torch.ones(shape) for role, shape in shapes.items()})


def test_incomplete_lokr_is_refused() -> None:
    with pytest.raises(UnknownAlgorithmError, match="lacks factor 2"):
        compute_delta({"lokr_w1": torch.ones(2, 2), "lokr_w2_a": torch.ones(2, 2)})


SHAPES = {"a": (7, RANK), "b": (RANK, 5)}
