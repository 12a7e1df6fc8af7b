"""How strongly ControlNets act on each row of a batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pipelines.engine.execution.batch_rows import Rows
from pipelines.pipeline import ControlInput

FADE_PER_PART = 0.825
"""How much less each part acts than the next inner one, where a control fades (A1111's extension for ControlNet)."""


def strengths(rows: Rows, controls: Sequence[ControlInput]) -> Tensor:
    """The weight of each part of a net's residuals in each row, [rows, parts] on the CPU in the net's dtype.

    `controls` has one of the same net for every trajectory. The row of a negative prompt gets nothing of what is meant
    for the prompt only. In guess mode strength falls to a tenth from the middle to the outermost layer (the authors').
    """
    net = controls[0].net
    falling, level, nothing = torch.logspace(-1, 0, net.parts), torch.ones(net.parts), torch.zeros(net.parts)
    fading = FADE_PER_PART ** torch.arange(net.parts - 1, -1, -1)
    weights = []
    for row, owner in enumerate(rows.owners):
        control = controls[owner]
        profile = fading if control.fades else falling if control.guess and not net.pooled else level
        prompt_only = control.guess or net.pooled
        weights.append(nothing if prompt_only and not rows.prompted(row) else control.strength * profile)
    return torch.stack(weights).to(net.dtype)


def add_residuals(total: Sequence[Tensor], parts: Sequence[Tensor], weights: Tensor) -> list[Tensor]:
    """The sum of several nets' residuals: `total` plus `parts` of one more net, times `weights` [rows, parts]."""
    weighed = [part * weight[:, None, None, None] for part, weight in zip(parts, weights.unbind(1), strict=True)]
    return [one + other for one, other in zip(total, weighed, strict=True)] if total else weighed
