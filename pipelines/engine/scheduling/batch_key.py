"""What trajectories must agree in to share a forward pass."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import NamedTuple

from models.adapters.lora_packing import Layout
from models.patches.patch import PatchKey
from pipelines.engine.trajectory import Depth, Trajectory


class BatchKey(NamedTuple):
    """What shapes the tensors of a forward pass; trajectories with equal keys may share one."""

    checkpoint: str
    """Its `version`."""
    latents: tuple[int, int, int]
    """Channels, height and width."""
    embeds: tuple[int, ...]
    """Tokens and width."""
    extras: tuple[tuple[str, tuple[int, ...]], ...]
    """Name and shape of each, without rows."""
    patches: tuple[PatchKey, ...] = ()
    """Those of the present step."""
    nets: tuple[str, ...] = ()
    """ControlNets of the present step; those outside their start–end range are not part of the key."""
    adapters: tuple[tuple[int, float], ...] = ()
    """Serials of the LoRAs that are merged into the denoiser, and their scales."""
    strict: bool = False
    """The trajectory shares a forward pass with no other, not even one with the same key."""
    prompts: int = 1
    """Prompts that act together."""
    serials: tuple[int, ...] = ()
    """Of the checkpoint and of the ControlNets: their weights must be the same, not only their names."""
    plain: bool = False
    """The step is neither captured nor compiled, and shares a forward pass with no other: the task, or a step like
    this, has ended a process before."""
    beside: Layout | None = None
    """Which LoRAs are beside the weights, instead of merged ones: their modules and their rank, not whose they are."""
    beside_cost: tuple[int, int] | None = None
    """In `of_cost`, instead of `beside`: of how many numbers, as a power of two, and for how many sets. Otherwise each
    mix of files would be measured again, and the table of times would grow without limit."""

    @property
    def name(self) -> str:
        """The same in every process for steps of the same cost."""
        return _name(self._replace(plain=False).of_cost)

    @property
    def of_cost(self) -> BatchKey:
        """Equal for steps that take equally long: merged weights are as fast as plain ones."""
        patches, beside = tuple(each.of_cost for each in self.patches), self.beside
        key = self._replace(patches=patches, adapters=(), strict=False, serials=(), beside=None)
        return key if beside is None else key._replace(beside_cost=(beside.numbers.bit_length(), beside.sets))

    @property
    def of_graph(self) -> BatchKey:
        """Equal for steps that launch the same operations, over the same weights."""
        patches = tuple(each.of_graph for each in self.patches)
        return self._replace(checkpoint="", patches=patches, nets=(), adapters=(), serials=())

    @property
    def capturable(self) -> bool:
        """Whether a CUDA graph may be captured of a step."""
        return not self.plain and all(patch.capturable for patch in self.patches)

    @property
    def compilable(self) -> bool:
        """Whether a pass that was compiled ahead of time may replace this one.

        `strict` trajectories are never compiled: their results must not depend on when a package becomes ready.
        """
        special = self.strict or self.plain or self.beside is not None
        return not special and all(patch.compilable for patch in self.patches)

    @property
    def without_loras(self) -> BatchKey:
        """Equal for trajectories that may share a forward pass with their LoRAs beside the weights."""
        return self._replace(adapters=())


@lru_cache(maxsize=256)
def _name(key: BatchKey) -> str:
    _, height, width = key.latents
    return f"{key.checkpoint}-{height}x{width}-{hashlib.sha256(repr(key).encode()).hexdigest()[:16]}"


def key_of(trajectory: Trajectory, depth: Depth | None = None) -> BatchKey:
    """The key of the present step, or of a step of another DeepCache depth."""
    denoise = trajectory.denoise
    checkpoint, positives = denoise.checkpoint, denoise.prompts[0].positives
    positive, nets = positives[0], [control.net for control in trajectory.controls]
    return BatchKey(
        checkpoint.version,
        trajectory.shape,
        tuple(positive.embeds.shape[1:]),
        tuple((name, tuple(extra.shape[1:])) for name, extra in sorted(positive.extras.items())),
        trajectory.patch_keys(depth or trajectory.depth),
        tuple(net.name for net in nets),
        checkpoint.adapters,
        denoise.strict,
        len(positives),
        (checkpoint.serial, *(net.serial for net in nets)),
        trajectory.plain,
    )
