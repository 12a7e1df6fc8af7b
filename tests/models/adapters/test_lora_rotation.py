"""Rotations of weights, against the published equations."""

import torch
from torch import Tensor

from models.adapters.lora_rotation import rotate


def close(ours: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


def cayley(block: Tensor) -> Tensor:
    skew, identity = block - block.T, torch.eye(len(block))
    return (identity + skew) @ torch.linalg.inv(identity - skew)


def test_oft_multiplies_blocks_of_rows_by_rotations() -> None:
    blocks, weight = torch.randn(3, 4, 4), torch.randn(12, 5, 3, 3)
    expected = torch.block_diag(*(cayley(block) for block in blocks)).T @ weight.flatten(1)
    close(rotate({"oft_blocks": blocks}, weight), expected.view_as(weight))
    rescale = torch.rand(12, 1, 1, 1)
    close(rotate({"oft_blocks": blocks, "rescale": rescale}, weight), expected.view_as(weight) * rescale)


def test_alpha_of_oft_limits_the_norm() -> None:
    blocks, weight = torch.randn(3, 4, 4), torch.randn(12, 5)
    skew = blocks - blocks.mT
    limited = 0.01 * 12 * skew / skew.norm() / 2
    expected = torch.block_diag(*(cayley(block) for block in limited)).T @ weight
    close(rotate({"oft_blocks": blocks, "alpha": torch.tensor(0.01)}, weight), expected)


def test_oft_diag_holds_the_rotations() -> None:
    blocks, weight = torch.randn(3, 4, 4), torch.randn(12, 5)
    close(rotate({"oft_diag": blocks}, weight), torch.block_diag(*blocks).T @ weight)


def test_boft_is_a_product_of_permuted_block_matrices() -> None:
    """Layer i rotates outputs that are 2ⁱ half blocks apart."""
    blocks, weight = torch.randn(2, 2, 4, 4), torch.randn(8, 5)
    expected = weight
    for order, layer in zip(([0, 2, 1, 3, 4, 6, 5, 7], [0, 4, 1, 5, 2, 6, 3, 7]), blocks, strict=True):
        permutation = torch.eye(8)[order]
        expected = permutation.T @ torch.block_diag(*(cayley(block) for block in layer)) @ permutation @ expected
    close(rotate({"oft_blocks": blocks}, weight), expected)
