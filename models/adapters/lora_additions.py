"""What a layer adds to its output for LoRAs that are beside its weights: rows may have different ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MOST_TOGETHER = 64
"""Ranks of all sets together, up to which two products of all sets are quicker than small ones of each row's own."""
Kind = Literal["product", "kronecker", "bias", "norm"]
"""A narrow product; Kronecker products; the delta of a bias; the delta of a norm's weight."""
Tensors = Sequence[Tensor]
"""Those of an addition for each set, [sets, …]."""


class Addition(NamedTuple):
    """An addition to the output of one module, without its numbers."""

    path: str
    """Of the module."""
    kind: Kind
    small: tuple[int, ...]
    """The shape of the small matrix of a Kronecker product: others of the same module are additions of their own."""
    shapes: tuple[tuple[int, ...], ...]
    """Of its tensors. Product: up [out, rank] and down [rank, in, …]. Kronecker: small [terms, out, in] and large
    [terms, out, in, …]. Bias and norm: [channels]."""

    @property
    def place(self) -> tuple[str, Kind, tuple[int, ...]]:
        """Equal for additions that one tensor has room for. Those of products differ in their rank."""
        return self[:3]

    @property
    def numbers(self) -> int:
        return sum(map(math.prod, self.shapes))

    def compute(self, module: nn.Module, x: Tensor, tensors: Tensors, rows: Tensor | None) -> Tensor:
        """What `module`, whose input is `x`, adds to its output.

        rows: the set of each row of `x`, int64 [rows]; None: set 0 is that of all rows.
        """
        return _COMPUTED[self.kind](module, x, tensors, rows)


def _product(module: nn.Module, x: Tensor, tensors: Tensors, rows: Tensor | None) -> Tensor:
    up, down = tensors if rows is not None else (each[:1] for each in tensors)
    if rows is None or down.shape[0] * down.shape[1] <= MOST_TOGETHER:
        return _product_of_all(module, x, up, down, rows)
    return _product_of_own(module, x, up[rows], down[rows])


def _product_of_all(module: nn.Module, x: Tensor, up: Tensor, down: Tensor, rows: Tensor | None) -> Tensor:
    """All sets for all rows, of which each row keeps its own: two large products."""
    sets, rank = down.shape[:2]
    down, up = down.flatten(0, 1), up.transpose(0, 1).flatten(1)
    if isinstance(module, nn.Conv2d):
        low = _convolve(module, x, down)
        if rows is not None:
            low = low.masked_fill(_others(rows, sets, rank)[..., None, None], 0)
        return F.conv2d(low, up[..., None, None])
    low = F.linear(x, down)
    if rows is not None:
        others = _others(rows, sets, rank)
        low = low.masked_fill(others.view(len(others), *[1] * (low.ndim - 2), -1), 0)
    return F.linear(low, up)


def _others(rows: Tensor, sets: int, rank: int) -> Tensor:
    """bool [rows, sets · rank]: which ranks are of other sets than the row's own. Their values are replaced, not
    multiplied by 0: a set that overflows must not become NaN in its neighbours."""
    others = torch.arange(sets, device=rows.device) != rows[:, None]
    return others.repeat_interleave(rank, dim=1)


def _product_of_own(module: nn.Module, x: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """For each row its own set alone: many small products."""
    count = len(x)
    if isinstance(module, nn.Conv2d):
        low = _convolve(module, x.reshape(1, -1, *x.shape[2:]), down.flatten(0, 1), groups=count)
        together = torch.bmm(up, low.view(count, down.shape[1], -1))
        return together.view(count, -1, *low.shape[2:])
    low = torch.bmm(x.reshape(count, -1, x.shape[-1]), down.transpose(1, 2))
    return torch.bmm(low, up.transpose(1, 2)).view(*x.shape[:-1], -1)


def _kronecker(module: nn.Module, x: Tensor, tensors: Tensors, rows: Tensor | None) -> Tensor:
    """kron(A, B)·x = A·X·Bᵀ, where X [in of A, in of B] has the numbers of x. Letters: g rows with sets of their own, n
    positions or rows of one set, t terms, o and i the outputs and inputs of A, q the outputs of B."""
    small, large = (each[:1] if rows is None else each[rows] for each in tensors)
    groups, terms, _, inputs = small.shape
    if isinstance(module, nn.Conv2d):
        blocks = x.reshape(groups, -1, inputs, large.shape[3], *x.shape[2:]).permute(1, 2, 0, 3, 4, 5)
        low = _convolve(module, blocks.flatten(2, 3).flatten(0, 1), large.flatten(0, 2), groups)
        low = low.view(-1, inputs, groups, terms, large.shape[2], *low.shape[2:])
        return torch.einsum("gtoi,nigtqhw->gnoqhw", small, low).flatten(2, 3).flatten(0, 1)
    low = x.reshape(groups, -1, large.shape[3]) @ large.flatten(1, 2).mT
    low = low.view(groups, -1, inputs, terms, large.shape[2])
    return torch.einsum("gtoi,gnitq->gnoq", small, low).reshape(*x.shape[:-1], -1)


def _bias(module: nn.Module, x: Tensor, tensors: Tensors, rows: Tensor | None) -> Tensor:
    return _per_channel(module, x, tensors[0], rows)


def _norm(module: nn.Module, x: Tensor, tensors: Tensors, rows: Tensor | None) -> Tensor:
    deltas = _per_channel(module, x, tensors[0], rows)
    if isinstance(module, nn.GroupNorm):
        return F.group_norm(x, module.num_groups, eps=module.eps) * deltas
    assert isinstance(module, nn.LayerNorm), module  # noqa: S101
    return F.layer_norm(x, module.normalized_shape, eps=module.eps) * deltas


def _per_channel(module: nn.Module, x: Tensor, deltas: Tensor, rows: Tensor | None) -> Tensor:
    """Each row's own, to be added to an output of the module, or multiplied by it."""
    own = deltas[:1] if rows is None else deltas[rows]
    others = [1] * (x.ndim - 2)
    channels_last = isinstance(module, nn.Linear | nn.LayerNorm)
    return own.view(len(own), *others, -1) if channels_last else own.view(len(own), -1, *others)


def _convolve(module: nn.Conv2d, x: Tensor, kernels: Tensor, groups: int = 1) -> Tensor:
    """`x` by other kernels [outputs, inputs / groups, height, width], as the module convolves its own."""
    padding: Any = module.padding
    if module.padding_mode != "zeros":
        x = F.pad(x, [each for each in reversed(padding) for _ in range(2)], mode=module.padding_mode)
        padding = 0
    return F.conv2d(x, kernels, None, module.stride, padding, module.dilation, groups)


_COMPUTED: Mapping[Kind, Callable[[nn.Module, Tensor, Tensors, Tensor | None], Tensor]] = {
    "product": _product,
    "kronecker": _kronecker,
    "bias": _bias,
    "norm": _norm,
}
