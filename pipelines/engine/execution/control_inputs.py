"""How strongly ControlNets act on each row of a batch, and where."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from pipelines.engine.device_transfer import to_device_async
from pipelines.engine.execution.batch_rows import Rows
from pipelines.pipeline import ControlInput

FADE_PER_PART = 0.825
"""How much less each part acts than the next inner one, where a control fades (A1111's extension for ControlNet)."""


def strengths(rows: Rows, controls: Sequence[ControlInput]) -> Tensor:
    """The weight of each part of a net's residuals in each row, [rows, parts] on the CPU in the net's dtype.

    `controls` has one of the same net for every trajectory. The row of a negative prompt gets nothing of what is meant
    for the prompt only.
    """
    net = controls[0].net
    weights = []
    for row, owner in enumerate(rows.owners):
        control = controls[owner]
        prompt_only = control.guess or net.pooled
        acts = rows.prompted(row) or not prompt_only
        weights.append(control.strength * _profile(control) if acts else torch.zeros(net.parts))
    return torch.stack(weights).to(net.dtype)


def _profile(control: ControlInput) -> Tensor:
    """The weight of each part, [parts], before the strength of the control. In guess mode it falls to a tenth from the
    middle to the outermost layer (the authors')."""
    net = control.net
    if control.layer_weights is not None:
        return torch.tensor(control.layer_weights)
    if control.fades:
        return FADE_PER_PART ** torch.arange(net.parts - 1, -1, -1)
    return torch.logspace(-1, 0, net.parts) if control.guess and not net.pooled else torch.ones(net.parts)


def weight_maps(rows: Rows, controls: Sequence[ControlInput], height: int, width: int) -> list[Tensor]:
    """The weight of each part at each of its places, [rows, 1, h, w] on the net's device, for latents of this size.

    A place acts by the mean of the region in it. All rows have maps, with a region or without, so that they can share a
    forward pass.
    """
    net = controls[0].net
    weights, owners = to_device_async(strengths(rows, controls), net.device), torch.tensor(rows.owners)
    owners = to_device_async(owners, net.device)
    sizes = net.sizes(height, width)
    regions = {size: torch.cat([_region(each, size) for each in controls])[owners] for size in dict.fromkeys(sizes)}
    return [weight[:, None, None, None] * regions[size] for weight, size in zip(weights.unbind(1), sizes, strict=True)]


def _region(control: ControlInput, size: tuple[int, int]) -> Tensor:
    """Where the control acts, [1, 1, h, w] in 0..1."""
    if control.region is None:
        return torch.ones(1, 1, *size, dtype=control.net.dtype, device=control.net.device)
    return interpolate(control.region, size, mode="area").to(control.net.dtype)


def add_residuals(total: Sequence[Tensor], parts: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
    """The sum of several nets' residuals: `total` plus `parts` of one more net, each times its `weights`."""
    weighed = [part * weight for part, weight in zip(parts, weights, strict=True)]
    return [one + other for one, other in zip(total, weighed, strict=True)] if total else weighed
