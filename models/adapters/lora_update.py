"""The update ΔW of a weight W by any algorithm of LoRA files, also by those whose ΔW depends on W.

Full deltas; DoRA (Liu et al., "DoRA", 2024); (IA)³ (Liu et al., 2022), which scales rows or columns of W; GLoRA (Chavan
et al., "One-for-All", 2023); and rotations of W, in `lora_rotation.py`. ΔW is always W' - W, so that a scale
interpolates between the two, and LoRAs that are merged together do not depend on their order.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.adapters.lora_delta import Factors, UnknownAlgorithmError, compute_delta, list_shapes
from models.adapters.lora_rotation import ROTATIONS, rotate

MAGNITUDES = frozenset({"dora_scale", "lora_magnitude_vector"})
_GLORA = frozenset({"a1", "a2", "b1", "b2"})
_EPSILON = float(torch.finfo(torch.float32).eps)


def depends_on_weight(factors: Factors) -> bool:
    """Whether ΔW cannot be computed, and the factors not checked, without W."""
    return bool(factors.keys() & ({"diff", "on_input"} | MAGNITUDES | _GLORA | ROTATIONS))


def compute_update(factors: Factors, weight: Tensor) -> Tensor:
    """ΔW at scale 1 for `weight` in float32, on the device of the weight; the shape may differ, not the order.

    Raises UnknownAlgorithmError.
    """
    tensors = {role: tensor.to(weight.device, torch.float32) for role, tensor in factors.items()}
    try:
        return _compute(tensors, weight)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, LookupError) as error:
        raise UnknownAlgorithmError(
            f"its factors ({list_shapes(factors)}) do not fit a weight of shape {list(weight.shape)}; use a LoRA for "
            "the family of this model, or fetch the file again"
        ) from error


def _compute(factors: Factors, weight: Tensor) -> Tensor:
    if factors.keys() & MAGNITUDES:
        return _decomposed(factors, weight)
    if "diff" in factors:
        return factors["diff"]
    if "on_input" in factors:
        return _scaled(factors, weight)
    if factors.keys() & _GLORA:
        return _generalised(factors, weight)
    if factors.keys() & ROTATIONS:
        return rotate(factors, weight) - weight
    return compute_delta(factors)


def _decomposed(factors: Factors, weight: Tensor) -> Tensor:
    """DoRA. LyCORIS has a magnitude for each input [1, in, …] or output [out, 1, …], peft for each output only."""
    delta = compute_delta({role: tensor for role, tensor in factors.items() if role not in MAGNITUDES})
    changed = weight + delta.view_as(weight)
    if "dora_scale" in factors:
        magnitude = factors["dora_scale"]
    else:
        magnitude = factors["lora_magnitude_vector"].reshape(-1, *[1] * (weight.ndim - 1))
    axis = 0 if magnitude.shape[0] == weight.shape[0] else 1
    others = [dim for dim in range(weight.ndim) if dim != axis]
    norm = torch.linalg.vector_norm(changed, dim=others, keepdim=True)
    decomposed: Tensor = changed * (magnitude.reshape(norm.shape) / (norm + _EPSILON))
    return decomposed - weight


def _scaled(factors: Factors, weight: Tensor) -> Tensor:
    axis = 1 if bool(factors["on_input"]) else 0
    shape = [1] * weight.ndim
    shape[axis] = weight.shape[axis]
    return weight * factors["weight"].reshape(shape)


def _generalised(factors: Factors, weight: Tensor) -> Tensor:
    """GLoRA, ΔW = W·A + B. Versions of LyCORIS differ in which of two factors is on the left."""
    first, second, left, right = (factors[role] for role in ("a1", "a2", "b1", "b2"))
    if left.shape[0] != weight.shape[0] or left.shape[1] != right.shape[0]:
        first, second, left, right = second, first, right, left
    rank = right.shape[0]
    inputs = first.flatten(1) @ second.flatten(1)
    delta = torch.einsum("oi...,ij->oj...", weight, inputs) + (left.flatten(1) @ right.flatten(1)).view_as(weight)
    return delta * (factors["alpha"].reshape(()) / rank) if "alpha" in factors else delta
