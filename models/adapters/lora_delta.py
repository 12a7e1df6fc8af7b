"""What a LoRA's factors add to a weight: three ways to write a large matrix with few numbers.

Low rank, ΔW = B·A (Hu et al., "LoRA", 2021), also of convolutions; Hadamard products of two of these (Hyeon-Woo et
al., "FedPara", 2021; LoHa) and Kronecker products (LoKr), the latter
two as Yeh et al., "LyCORIS", 2023, write them to files.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

Factors = Mapping[str, Tensor]
"""The tensors of one module's update, by their roles: `down`, `up`, `mid`, `alpha`, `hada_w1_a`, `lokr_w1`…"""


class UnknownAlgorithmError(ValueError):
    """Factors that are none of the three kinds."""


def delta(factors: Factors) -> Tensor:
    """What is added to the weight at scale 1: float32, its elements in the weight's order, whatever the shape.

    Raises UnknownAlgorithmError.
    """
    precise = {role: tensor.float() for role, tensor in factors.items()}
    alpha = precise.pop("alpha", None)
    rank: int | None
    if {"down", "up"} <= precise.keys() <= {"down", "up", "mid"}:
        product, rank = _low_rank(precise), precise["down"].shape[0]
    elif {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"} <= precise.keys() and _only(precise, "hada_"):
        product, rank = _half(precise, "hada", 1) * _half(precise, "hada", 2), precise["hada_w1_b"].shape[0]
    elif precise and _only(precise, "lokr_"):
        product, rank = _kronecker(precise)
    else:
        raise UnknownAlgorithmError(
            f"its factors are {', '.join(sorted(factors))}; LoRA, LoCon, LoHa and LoKr are understood, DoRA and others "
            "are not: merge it into a checkpoint of its own, or train it anew as one of these"
        )
    return product if alpha is None or rank is None else product * (alpha.to(product.device) / rank)


def _only(factors: Factors, prefix: str) -> bool:
    return all(role.startswith(prefix) for role in factors)


def _low_rank(factors: Factors) -> Tensor:
    """B·A; with `mid`, a small convolution [rank, rank, height, width] between two that mix channels."""
    down, up = factors["down"], factors["up"]
    if "mid" in factors:
        return torch.einsum("or,rskl,si->oikl", up.flatten(1), factors["mid"], down.flatten(1))
    return up.flatten(1) @ down.flatten(1)


def _half(factors: Factors, family: str, place: int) -> Tensor:
    """One side of a product, [out, in, …], from its two factors; three (with `t`), where it is a convolution."""
    out, into = factors[f"{family}_w{place}_a"], factors[f"{family}_w{place}_b"]
    core = factors.get(f"{family}_t{place}", factors.get("lokr_t2") if place == 2 else None)
    if core is None:
        return out @ into
    return torch.einsum("rskl,ro,si->oikl", core, out, into)


def _kronecker(factors: Factors) -> tuple[Tensor, int | None]:
    """The product, and the rank that alpha is divided by: that of the last factorised side, None where neither is."""
    rank: int | None = None
    sides: list[Tensor] = []
    for place in (1, 2):
        whole = factors.get(f"lokr_w{place}")
        if whole is None:
            if not {f"lokr_w{place}_a", f"lokr_w{place}_b"} <= factors.keys():
                raise UnknownAlgorithmError(f"its LoKr lacks factor {place}; it was not saved whole, fetch it again")
            whole, rank = _half(factors, "lokr", place), factors[f"lokr_w{place}_b"].shape[0]
        sides.append(whole)
    small, large = sides
    return torch.kron(small.reshape(*small.shape, *[1] * (large.ndim - 2)), large), rank
