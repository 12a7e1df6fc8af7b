"""The update ΔW of a weight, from the factors of a LoRA: three ways to write a large matrix with few numbers.

Low rank, ΔW = B·A (Hu et al., "LoRA", 2021), also for convolutions; Hadamard products of two of these (LoHa: Hyeon-Woo
et al., "FedPara", 2021) and Kronecker products (LoKr), both in the file format of Yeh et al., "LyCORIS", 2023.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

Factors = Mapping[str, Tensor]
"""The tensors of the update of one module, by role: `down`, `up`, `mid`, `alpha`, `hada_w1_a`, `lokr_w1`…"""


class UnknownAlgorithmError(ValueError):
    """The factors belong to none of the three algorithms, or do not fit each other."""

    code = "bad_input"


def compute_delta(factors: Factors) -> Tensor:
    """ΔW at scale 1: float32, with its elements in the order of the weight; the shape may differ.

    Raises UnknownAlgorithmError.
    """
    try:
        return _compute(factors)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, LookupError) as error:
        raise UnknownAlgorithmError(_describe_misfit(factors)) from error


def list_shapes(factors: Factors) -> str:
    return ", ".join(f"{role} {list(tensor.shape)}" for role, tensor in sorted(factors.items()))


def _describe_misfit(factors: Factors) -> str:
    return f"its factors do not fit each other ({list_shapes(factors)}); the file is damaged, fetch it again"


def _compute(factors: Factors) -> Tensor:
    tensors = {role: tensor.float() for role, tensor in factors.items()}
    alpha = tensors.pop("alpha", None)
    if alpha is not None:
        alpha = alpha.reshape(())
    rank: int | None
    if {"down", "up"} <= tensors.keys() <= {"down", "up", "mid"}:
        product, rank = _low_rank(tensors), tensors["down"].shape[0]
    elif {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"} <= tensors.keys() and _all_start_with(tensors, "hada_"):
        first, second = _operand(tensors, "hada", 1), _operand(tensors, "hada", 2)
        if first.shape != second.shape:  # torch would repeat the smaller one
            raise UnknownAlgorithmError(_describe_misfit(factors))
        product, rank = first * second, tensors["hada_w1_b"].shape[0]
    elif tensors and _all_start_with(tensors, "lokr_"):
        product, rank = _kronecker(tensors)
    else:
        raise UnknownAlgorithmError(
            f"its factors are {', '.join(sorted(factors))}; only LoRA, LoCon, LoHa, LoKr, DoRA, GLoRA, (IA)³, OFT, "
            "BOFT and full deltas are supported: the file is incomplete, fetch it again"
        )
    return product if alpha is None or rank is None else product * (alpha.to(product.device) / rank)


def _all_start_with(factors: Factors, prefix: str) -> bool:
    return all(role.startswith(prefix) for role in factors)


def _low_rank(factors: Factors) -> Tensor:
    """B·A; with `mid`, a small convolution [rank, rank, height, width] between two that mix channels."""
    down, up = factors["down"], factors["up"]
    if "mid" in factors:
        return torch.einsum("or,rskl,si->oikl", up.flatten(1), factors["mid"], down.flatten(1))
    return up.flatten(1) @ down.flatten(1)


def _operand(factors: Factors, prefix: str, index: int) -> Tensor:
    """Operand 1 or 2 of a product, [out, in, …], from its two factors; for a convolution from three (with `t`)."""
    up, down = factors[f"{prefix}_w{index}_a"], factors[f"{prefix}_w{index}_b"]
    core = factors.get(f"{prefix}_t{index}", factors.get("lokr_t2") if index == 2 else None)
    if core is None:
        return up @ down
    return torch.einsum("rskl,ro,si->oikl", core, up, down).contiguous()  # torch.kron needs it


def _kronecker(factors: Factors) -> tuple[Tensor, int | None]:
    """The product, and the rank that alpha is divided by: that of the last operand with factors; None if none has."""
    rank: int | None = None
    operands: list[Tensor] = []
    for index in (1, 2):
        operand = factors.get(f"lokr_w{index}")
        if operand is None:
            if not {f"lokr_w{index}_a", f"lokr_w{index}_b"} <= factors.keys():
                raise UnknownAlgorithmError(f"its LoKr lacks factor {index}; the file is incomplete, fetch it again")
            operand, rank = _operand(factors, "lokr", index), factors[f"lokr_w{index}_b"].shape[0]
        operands.append(operand)
    small, large = operands
    return torch.kron(small.reshape(*small.shape, *[1] * (large.ndim - 2)), large), rank
