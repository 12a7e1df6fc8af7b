"""What the denoiser of a batch is steered by, ControlNets and references, each row as strongly as its task wants."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from models.patches.reference_attention import ReferenceWeight
from pipelines.engine.execution.batch_rows import Rows
from pipelines.pipeline import ControlInput


def strengths(rows: Rows, controls: Sequence[ControlInput]) -> Tensor:
    """How strongly each row feels each part of what a net adds, [rows, parts] on the CPU in the net's dtype.

    `controls` has one of the same net for every trajectory. A negative's row feels nothing of what is meant for the
    prompt only; in guess mode strength falls to a tenth from the middle to the outermost layer (the authors').
    """
    net = controls[0].net
    falling, level, nothing = torch.logspace(-1, 0, net.parts), torch.ones(net.parts), torch.zeros(net.parts)
    felt = []
    for row, owner in enumerate(rows.owners):
        control = controls[owner]
        share = falling if control.guess and not net.pooled else level
        spared = (control.guess or net.pooled) and not rows.prompted(row)
        felt.append(nothing if spared else control.strength * share)
    return torch.stack(felt).to(net.dtype)


def joined(total: Sequence[Tensor], parts: Sequence[Tensor], felt: Tensor) -> list[Tensor]:
    """What several nets add, together: `parts` of one more, weighed by `felt` [rows, parts]."""
    weighed = [part * share[:, None, None, None] for part, share in zip(parts, felt.unbind(1), strict=True)]
    return [one + other for one, other in zip(total, weighed, strict=True)] if total else weighed


def regards(rows: Rows, room: int) -> list[ReferenceWeight]:
    """How each row looks at its reference; those that nobody has, up to `room`, do not."""
    styles = [each.denoise.checkpoint.style for each in rows.trajectories]
    looks = [(styles[owner], rows.prompted(row)) for row, owner in enumerate(rows.owners)]
    given = [style.regard(prompted=prompted) for style, prompted in looks if style]
    return given + [ReferenceWeight(0.0, 0.0)] * (room - len(given))
