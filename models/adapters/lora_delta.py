"""The update ΔW of a weight, from the factors of a LoRA: three ways to write a large matrix with few numbers.

Low rank, ΔW = B·A (Hu et al., "LoRA", 2021), also for convolutions; Hadamard products of two of these (LoHa: Hyeon-Woo
et al., "FedPara", 2021) and Kronecker products (LoKr), both in the file format of Yeh et al., "LyCORIS", 2023.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

Factors = Mapping[str, Tensor]
"""The tensors of the update of one module, by role: `down`, `up`, `mid`, `alpha`, `hada_w1_a`, `lokr_w1`…"""


class UnknownAlgorithmError(ValueError):
    """The factors belong to none of the three algorithms, or do not fit each other."""

    code = "bad_input"


class LowRank(NamedTuple):
    """up · down."""

    up: Tensor
    """[out, rank]."""
    down: Tensor
    """[rank, in], or [rank, in, height, width] for a convolution."""

    @property
    def rank(self) -> int:
        return self.up.shape[1]

    def dense(self) -> Tensor:
        product: Tensor = torch.tensordot(self.up, self.down, dims=1)
        return product


class Hadamard(NamedTuple):
    """The elementwise product of two matrices of one shape."""

    first: LowRank
    second: LowRank

    def dense(self) -> Tensor:
        return self.first.dense() * self.second.dense()


class Kronecker(NamedTuple):
    """The Kronecker product of two matrices."""

    small: LowRank | Tensor
    """[out, in]."""
    large: LowRank | Tensor
    """[out, in], or [out, in, height, width] for a convolution."""

    def dense(self) -> Tensor:
        return kron(dense(self.small), dense(self.large))


Delta = LowRank | Hadamard | Kronecker


def compute_delta(factors: Factors) -> Tensor:
    """ΔW at scale 1: float32, with its elements in the order of the weight; the shape may differ.

    Raises UnknownAlgorithmError.
    """
    try:
        delta, scale = read_delta(factors)
        product = delta.dense()
        return product if scale is None else product * scale.to(product.device)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, LookupError) as error:
        raise UnknownAlgorithmError(_describe_misfit(factors)) from error


def read_delta(factors: Factors) -> tuple[Delta, Tensor | None]:
    """ΔW in the form that the file has it in, float32; and its scale, if it has one, a number on the device of alpha.

    Raises UnknownAlgorithmError; RuntimeError or LookupError for factors that do not fit each other.
    """
    tensors = {role: tensor.float() for role, tensor in factors.items()}
    alpha = tensors.pop("alpha", None)
    delta: Delta
    rank: int | None
    if {"down", "up"} <= tensors.keys() <= {"down", "up", "mid"}:
        delta, rank = _low_rank(tensors), tensors["down"].shape[0]
    elif {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"} <= tensors.keys() and _all_start_with(tensors, "hada_"):
        delta, rank = Hadamard(_operand(tensors, "hada", 1), _operand(tensors, "hada", 2)), len(tensors["hada_w1_b"])
        if _sides(delta.first) != _sides(delta.second):  # torch would repeat the smaller one
            raise UnknownAlgorithmError(_describe_misfit(factors))
    elif tensors and _all_start_with(tensors, "lokr_"):
        delta, rank = _kronecker(tensors)
    else:
        raise UnknownAlgorithmError(
            f"its factors are {', '.join(sorted(factors))}; only LoRA, LoCon, LoHa, LoKr, DoRA, GLoRA, (IA)³, OFT, "
            "BOFT and full deltas are supported: the file is incomplete, fetch it again"
        )
    return delta, None if alpha is None or rank is None else alpha.reshape(()) / rank


def kron(first: Tensor, second: Tensor) -> Tensor:
    """The Kronecker product of [out, in] and [out, in, …]. torch's own fails for some strides, such as those of a
    transposed matrix with one row."""
    return torch.einsum("oi,pj...->opij...", first, second).flatten(2, 3).flatten(0, 1)


def dense(matrix: LowRank | Tensor) -> Tensor:
    return matrix if isinstance(matrix, Tensor) else matrix.dense()


def list_shapes(factors: Factors) -> str:
    return ", ".join(f"{role} {list(tensor.shape)}" for role, tensor in sorted(factors.items()))


def _describe_misfit(factors: Factors) -> str:
    return f"its factors do not fit each other ({list_shapes(factors)}); the file is damaged, fetch it again"


def _all_start_with(factors: Factors, prefix: str) -> bool:
    return all(role.startswith(prefix) for role in factors)


def _sides(matrix: LowRank) -> tuple[int, ...]:
    return len(matrix.up), *matrix.down.shape[1:]


def _low_rank(factors: Factors) -> LowRank:
    """B·A; with `mid`, a small convolution [rank, rank, height, width] between two that mix channels."""
    down, up = factors["down"], factors["up"].flatten(1)
    return LowRank(up, down if "mid" not in factors else _with_core(factors["mid"], down.flatten(1)))


def _operand(factors: Factors, prefix: str, index: int) -> LowRank:
    """Operand 1 or 2 of a product from its two factors; for a convolution from three (with `t`)."""
    up, down = factors[f"{prefix}_w{index}_a"], factors[f"{prefix}_w{index}_b"]
    core = factors.get(f"{prefix}_t{index}", factors.get("lokr_t2") if index == 2 else None)
    return LowRank(up, down) if core is None else LowRank(up.T, _with_core(core, down))


def _with_core(core: Tensor, down: Tensor) -> Tensor:
    """[rank, in, height, width] of Tucker's core [rank, rank, height, width] and [rank, in]."""
    return torch.einsum("rskl,si->rikl", core, down)


def _kronecker(factors: Factors) -> tuple[Kronecker, int | None]:
    """The product, and the rank that alpha is divided by: that of the last operand with factors; None if none has."""
    rank: int | None = None
    operands: list[LowRank | Tensor] = []
    for index in (1, 2):
        operand: LowRank | Tensor | None = factors.get(f"lokr_w{index}")
        if operand is None:
            if not {f"lokr_w{index}_a", f"lokr_w{index}_b"} <= factors.keys():
                raise UnknownAlgorithmError(f"its LoKr lacks factor {index}; the file is incomplete, fetch it again")
            operand, rank = _operand(factors, "lokr", index), factors[f"lokr_w{index}_b"].shape[0]
        operands.append(operand)
    return Kronecker(*operands), rank
