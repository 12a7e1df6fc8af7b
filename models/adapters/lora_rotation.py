"""Weights that are rotated in blocks of their outputs: OFT (Qiu et al., 2023) and BOFT (Liu et al., 2023).

`oft_blocks` holds matrices whose antisymmetric part Q gives the rotation (I + Q)·(I - Q)⁻¹; `oft_diag`, of old files of
LyCORIS, holds the rotations themselves. BOFT has one more axis: layers of rotations, between which outputs move.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.adapters.lora_delta import Factors

ROTATIONS = frozenset({"oft_blocks", "oft_diag"})


def rotate(factors: Factors, weight: Tensor) -> Tensor:
    """The rotated weight. Raises RuntimeError for factors that do not fit it."""
    blocks = factors["oft_diag"] if "oft_diag" in factors else _rotations(factors, weight.shape[0])
    rows = weight.flatten(1)
    if blocks.ndim == 4:
        for layer, each in enumerate(blocks):
            rows = _butterfly(each, rows, layer)
    else:
        rows = torch.einsum("knm,kni->kmi", blocks, rows.view(*blocks.shape[:2], -1)).reshape_as(rows)
    if "rescale" in factors:
        rows = rows * factors["rescale"].reshape(-1, 1)
    return rows.view_as(weight)


def _rotations(factors: Factors, outputs: int) -> Tensor:
    """Cayley's transform. `alpha` times the outputs limits the norm of Q; 0 is no limit."""
    blocks = factors["oft_blocks"]
    skew = blocks - blocks.mT
    limit = float(factors["alpha"]) * outputs if "alpha" in factors else 0.0
    if limit > 0:
        norm = skew.norm()
        skew = skew * (norm.clamp(max=limit) / norm.clamp(min=1e-8))
    identity = torch.eye(blocks.shape[-1], device=blocks.device)
    rotations: Tensor = (identity + skew) @ torch.linalg.inv(identity - skew)
    return rotations


def _butterfly(rotations: Tensor, rows: Tensor, layer: int) -> Tensor:
    """One layer of BOFT: pairs of outputs that are far apart become neighbours, are rotated, and go back."""
    count, size = rotations.shape[:2]
    stride = 2**layer * (size // 2)
    near = rows.view(-1, 2, stride, rows.shape[1]).transpose(1, 2).reshape(count, size, -1)
    turned = torch.einsum("bij,bjn->bin", rotations, near)
    return turned.reshape(-1, stride, 2, rows.shape[1]).transpose(1, 2).reshape_as(rows)
