"""What the denoiser of a batch is steered by, ControlNets and references, each row as strongly as its task wants."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from models.checkpoint import Conditioning
from models.reference import References
from pipelines.engine.trajectory import Trajectory
from pipelines.pipeline import Control


def residuals(
    trajectories: Sequence[Trajectory],
    owners: Sequence[int],
    latents: torch.Tensor,
    timesteps: torch.Tensor,
    conditioning: Conditioning,
    *,
    circular: bool,
) -> list[torch.Tensor]:
    """The sum over all nets that act on this step, for `ControlNet.residuals`' places.

    Row i belongs to trajectory `owners[i]`; rows are the guided ones' negatives, then every positive. Trajectories
    agree in their nets; latents are scaled, without what inpainting checkpoints are shown beside them.
    """
    negatives = len(owners) - len(trajectories)
    total: list[torch.Tensor] = []
    for controls in zip(*(each.controls for each in trajectories), strict=True):
        rows = [row for row, owner in enumerate(owners) if row >= negatives or not _prompt_only(controls[owner])]
        chosen = [controls[owners[row]] for row in rows]
        place = torch.tensor(rows).to(latents.device, non_blocking=True)
        seen = conditioning if len(rows) == len(owners) else conditioning.rows(place)
        added = chosen[0].net.residuals(
            latents[place], timesteps[place], seen, torch.cat([each.hint for each in chosen]), circular=circular
        )
        added = [_spread(part, place, len(owners)) for part in _weighed(added, chosen)]
        total = [one + other for one, other in zip(total, added, strict=True)] if total else added
    return total


def references(trajectories: Sequence[Trajectory], owners: Sequence[int]) -> References:
    """What each row looks at; rows are as in `residuals`, and every trajectory has a style."""
    negatives = len(owners) - len(trajectories)
    latents = torch.stack([each.reference for each in trajectories if each.reference is not None])
    styles = [each.denoise.checkpoint.style for each in trajectories]
    looks = [(styles[owner], row >= negatives) for row, owner in enumerate(owners)]
    place = torch.tensor(owners).to(latents.device, non_blocking=True)
    return References(latents[place], [style.regard(prompted=prompted) for style, prompted in looks if style])


def _prompt_only(control: Control) -> bool:
    return control.guess or control.net.pooled


def _weighed(parts: list[torch.Tensor], controls: Sequence[Control]) -> list[torch.Tensor]:
    """Each row times its strength; in guess mode times 0.1 at the outermost layer, rising to 1 at the middle."""
    falling, level = torch.logspace(-1, 0, len(parts)), torch.ones(len(parts))
    strengths = [each.strength * (falling if each.guess and not each.net.pooled else level) for each in controls]
    factors = torch.stack(strengths, dim=1).to(parts[0].device, parts[0].dtype, non_blocking=True)
    return [part * factor[:, None, None, None] for part, factor in zip(parts, factors, strict=True)]


def _spread(part: torch.Tensor, place: torch.Tensor, rows: int) -> torch.Tensor:
    """The rows of `part` at their places among `rows`, of which the others are 0."""
    return part if len(place) == rows else part.new_zeros(rows, *part.shape[1:]).index_copy(0, place, part)
