"""Updates ΔW that cost less than the weight itself when a layer has them beside it: narrow and Kronecker products.

A Hadamard product (LoHa) of ranks r and s has rank r·s: its factors are the products of all pairs of columns and rows
(the Khatri–Rao product). A Kronecker product (LoKr) also has the product of both ranks. If both are high,
kron(A, B)·x = A·X·Bᵀ costs less, where X is x as a matrix. Others, such as DoRA, depend on W.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from models.adapters.lora_delta import (
    Delta,
    Factors,
    Hadamard,
    Kronecker,
    LowRank,
    UnknownAlgorithmError,
    compute_delta,
    dense,
    kron,
    read_delta,
)
from models.adapters.lora_update import depends_on_weight

MOST_RANK = 128
"""The highest rank of a product. It takes rank · (out + in) multiplications, and the weight itself out · in."""
MOST_COST = 0.5
"""The highest cost of a Kronecker product, as a part of that of the weight itself."""


class DenseKronecker(NamedTuple):
    """ΔW = kron(small, large)."""

    small: Tensor
    """[out, in]."""
    large: Tensor
    """[out, in], or [out, in, height, width] for a convolution."""

    @property
    def cost(self) -> int:
        """Multiplications for each position of the output."""
        return self.small.shape[1] * self.large.numel() + self.small.numel() * self.large.shape[0]


def find_cheap_form(factors: Factors, shape: Sequence[int]) -> LowRank | DenseKronecker | None:
    """The update of a weight of this shape at scale 1, in float32, in its cheaper form.

    None if both cost too much, if it depends on the weight, or if it does not fit.
    """
    is_full = factors.keys() <= {"diff", "alpha"}
    if (not is_full and depends_on_weight(factors)) or not _fits(factors, shape):
        return None
    delta, scale = (factors["diff"].float(), None) if is_full else read_delta(factors)
    update = _as_kronecker(delta, shape) or _as_product(delta, shape)
    if update is None or scale is None:
        return update
    return update._replace(**{update._fields[0]: update[0] * scale.to(update[0].device)})


def _fits(factors: Factors, shape: Sequence[int]) -> bool:
    """Whether the update has as many outputs and numbers as the weight. If not, merging tells what is wrong."""
    in_meta = {role: tensor.to("meta") for role, tensor in factors.items()}
    try:
        whole = in_meta["diff"] if "diff" in factors else compute_delta(in_meta)
    except UnknownAlgorithmError:
        return False
    return whole.ndim > 0 and len(whole) == shape[0] and whole.numel() == math.prod(shape)


def _as_kronecker(delta: Delta | Tensor, shape: Sequence[int]) -> DenseKronecker | None:
    """None if it is no Kronecker product, or costs more than the narrow product or than MOST_COST."""
    if not isinstance(delta, Kronecker):
        return None
    outputs, inputs = shape[0], math.prod(shape[1:])
    small, large = dense(delta.small), dense(delta.large)
    if shape[1] % small.shape[1]:
        return None
    kronecker = DenseKronecker(small, large.reshape(len(large), shape[1] // small.shape[1], *shape[2:]))
    highest = min(_rank(delta) * (outputs + inputs), MOST_COST * outputs * inputs)
    return kronecker if kronecker.cost < highest else None


def _as_product(delta: Delta | Tensor, shape: Sequence[int]) -> LowRank | None:
    """None if it has too high a rank."""
    if isinstance(delta, Tensor) or _rank(delta) > min(shape[0], math.prod(shape[1:])):
        delta = (delta if isinstance(delta, Tensor) else delta.dense()).reshape(*shape)
    if _rank(delta) > MOST_RANK:
        return None
    up, down = _product(delta)
    return LowRank(up, down.reshape(len(down), *shape[1:]))


def _rank(delta: Delta | Tensor) -> int:
    """Of its product; it may be higher than that of the matrix."""
    if isinstance(delta, Tensor):
        return min(len(delta), delta[0].numel())
    return delta.rank if isinstance(delta, LowRank) else math.prod(_rank(each) for each in delta)


def _product(delta: Delta | Tensor) -> LowRank:
    if isinstance(delta, LowRank):
        return delta
    if isinstance(delta, Tensor):
        return _by_identity(delta)
    (up, down), (other_up, other_down) = map(_product, delta)
    if isinstance(delta, Hadamard):  # (A·B) ∘ (C·D) = (A ⊙ C) · (B ⊙ D), all pairs of columns and of rows
        pairs = (up[:, :, None] * other_up[:, None]).flatten(1), (down[:, None] * other_down[None]).flatten(0, 1)
        return LowRank(*pairs)
    return LowRank(kron(up, other_up), kron(down, other_down))  # kron(A·B, C·D) = kron(A, C) · kron(B, D)


def _by_identity(matrix: Tensor) -> LowRank:
    """A full matrix of few outputs or few inputs, such as that of a UNet's first and last convolution."""
    if len(matrix) <= matrix[0].numel():
        return LowRank(torch.eye(len(matrix), device=matrix.device), matrix)
    unit = torch.eye(matrix[0].numel(), device=matrix.device)
    return LowRank(matrix.flatten(1), unit.view(-1, *matrix.shape[1:]))
