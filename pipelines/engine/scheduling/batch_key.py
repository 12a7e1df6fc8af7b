"""What trajectories must agree in to share a forward pass."""

from __future__ import annotations

from typing import NamedTuple

from models.patches.token_merging import TokenMerging
from pipelines.engine.trajectory import Depth, Trajectory


class BatchKey(NamedTuple):
    """What shapes the tensors of a forward pass: trajectories that agree in it may share one."""

    checkpoint: str
    latents: tuple[int, int, int]
    embeds: tuple[int, ...]
    extras: tuple[tuple[str, tuple[int, ...]], ...]
    circular: bool
    nets: tuple[str, ...] = ()
    """The ControlNets that act on the present step; one whose turn is over, or to come, sets nobody apart."""
    adapters: tuple[tuple[str, float], ...] = ()
    tome: TokenMerging | None = None
    image_prompt: str = ""
    """The IP-Adapter that sees for it."""
    style: bool = False
    depth: Depth = "whole"
    """A pass that stops short of the deep layers can be shared with none that does not."""
    strict: bool = False
    """Such a one agrees with none, not even of its own kind."""

    @property
    def pace(self) -> BatchKey:
        """What decides how long a step takes: merged weights are as fast as plain ones, and merged tokens as fast
        as others of about as many."""
        tome = self.tome and self.tome._replace(seed=None, ratio=round(self.tome.ratio, 1))
        return self._replace(adapters=(), tome=tome, image_prompt="", strict=False)


def key_of(trajectory: Trajectory) -> BatchKey:
    denoise = trajectory.denoise
    extras = tuple((name, tuple(extra.shape[1:])) for name, extra in sorted(denoise.positive.extras.items()))
    embeds = tuple(denoise.positive.embeds.shape[1:])
    nets = tuple(control.net.name for control in trajectory.controls)
    checkpoint = denoise.checkpoint
    seen_by = checkpoint.image_prompt.adapter.name if checkpoint.image_prompt else ""
    apart = nets, checkpoint.adapters, checkpoint.tome, seen_by, checkpoint.style is not None
    shape = checkpoint.name, trajectory.shape, embeds, extras, denoise.circular
    return BatchKey(*shape, *apart, trajectory.depth, denoise.strict)
