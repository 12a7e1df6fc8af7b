"""Updates ΔW as a product of two narrow matrices, for every algorithm whose ΔW is a sum of such products.

A Hadamard product (LoHa) of ranks r and s has rank r·s: its factors are the products of all pairs of columns and rows
(the Khatri–Rao product). A Kronecker product (LoKr) of a small matrix with one of rank r has rank r times the width of
the small one. Others, such as DoRA, depend on W.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from models.adapters.lora_delta import Factors
from models.adapters.lora_update import depends_on_weight
from models.files.lora_layout import BIAS


class LowRank(NamedTuple):
    """ΔW = up · down, at scale 1, in float32."""

    up: Tensor
    """[out, rank]."""
    down: Tensor
    """[rank, in], or [rank, in, height, width] for a convolution."""

    @property
    def rank(self) -> int:
        return self.up.shape[1]


def low_rank(factors: Factors) -> LowRank | None:
    """The update as a product; None if it is none, or its matrices would not be narrow."""
    if BIAS in factors or depends_on_weight(factors):
        return None
    tensors = {role: tensor.float() for role, tensor in factors.items()}
    alpha = tensors.pop("alpha", None)
    product, divisor = _product(tensors)
    if product is None or alpha is None or divisor is None:
        return product
    return LowRank(product.up * (alpha.reshape(()).to(product.up.device) / divisor), product.down)


def _product(factors: dict[str, Tensor]) -> tuple[LowRank | None, int | None]:
    """The product without alpha, and the rank that alpha is divided by."""
    if "down" in factors and "up" in factors:
        return _plain(factors), factors["down"].shape[0]
    if "hada_w1_a" in factors and not {"hada_t1", "hada_t2"} & factors.keys():
        return _hadamard(factors), factors["hada_w1_b"].shape[0]
    if "lokr_w1" in factors and "lokr_w2_a" in factors and not {"lokr_t2"} & factors.keys():
        return _kronecker(factors), factors["lokr_w2_b"].shape[0]
    return None, None


def _plain(factors: dict[str, Tensor]) -> LowRank:
    down, up = factors["down"], factors["up"].flatten(1)
    if "mid" in factors:  # a small convolution between two that mix channels
        down = torch.einsum("rskl,si->rikl", factors["mid"], down.flatten(1))
    return LowRank(up, down)


def _hadamard(factors: dict[str, Tensor]) -> LowRank:
    """[out, r·s] and [r·s, in]: (A·B) ∘ (C·D) = (A ⊙ C) · (B ⊙ D), all pairs of columns and of rows."""
    first_up, first_down = factors["hada_w1_a"], factors["hada_w1_b"]
    second_up, second_down = factors["hada_w2_a"], factors["hada_w2_b"]
    up = torch.einsum("or,os->ors", first_up, second_up).flatten(1)
    return LowRank(up, torch.einsum("ri,si->rsi", first_down, second_down).flatten(0, 1))


def _kronecker(factors: dict[str, Tensor]) -> LowRank:
    """kron(W, A·B) = kron(W, A) · kron(1, B)."""
    small, up, down = factors["lokr_w1"], factors["lokr_w2_a"], factors["lokr_w2_b"]
    unit = torch.eye(small.shape[1], device=small.device)
    return LowRank(torch.kron(small, up), torch.kron(unit, down))
