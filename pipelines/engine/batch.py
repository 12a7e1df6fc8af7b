"""Trajectories that share one forward pass. A batch lives for one step; the trajectories hold all state."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from models.adapters.lora_packing import MOST_BYTES, MOST_SETS, LoraSet, common_layout
from pipelines.engine.execution.batch_rows import Rows
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.scheduling.batch_key import BatchKey, key_of
from pipelines.engine.trajectory import Trajectory


class Batch:
    """One step of trajectories with equal keys; with `beside` equal but for their LoRAs, which are not merged then. Its
    memory and its CUDA graphs are kept in `graphs`."""

    def __init__(
        self, trajectories: Sequence[Trajectory], graphs: Graphs | None = None, *, beside: bool = False
    ) -> None:
        self.trajectories = trajectories
        self._rows = Rows.of(trajectories)
        self._graphs = graphs or Graphs()
        self.key = key_beside(trajectories) if beside else key_of(trajectories[0])

    @property
    def rows(self) -> int:
        return len(self._rows)

    @property
    def halves(self) -> tuple[Batch, Batch]:
        """One trajectory alone has its LoRAs merged: a step with LoRAs beside the weights needs more memory."""
        middle, beside = len(self.trajectories) // 2, self.key.beside is not None
        first, second = (
            Batch(half, self._graphs, beside=beside and len(half) > 1)
            for half in (self.trajectories[:middle], self.trajectories[middle:])
        )
        return first, second

    def step(self) -> None:
        """Advances every trajectory by one step, or none of them if it raises. Then draws the noise of the next steps
        while the device works."""
        latents, outputs, features = self._graphs.run(self.key, self._rows)
        no_features: list[tuple[Tensor, ...]] = [()] * len(self.trajectories)
        deep_features = no_features if features is None else self._rows.by_trajectory(features)
        for each, own_latents, output, own_features in zip(
            self.trajectories, latents, outputs, deep_features, strict=False
        ):
            each.advance(own_latents, output, own_features)
        for each in self.trajectories:
            each.draw_ahead()


def key_beside(trajectories: Sequence[Trajectory]) -> BatchKey:
    """The key of a step that has the LoRAs of all these trajectories beside the weights."""
    sets = {each.denoise.checkpoint.adapters: each.denoise.checkpoint.lora_set for each in trajectories}
    layout = common_layout(each for each in sets.values() if each is not None)
    return key_of(trajectories[0]).without_loras._replace(beside=layout)


def mixing(waiting: Sequence[Trajectory]) -> list[Trajectory]:
    """Those that may share a batch with the first if their LoRAs are beside the weights: at most MOST_SETS sets of
    MOST_BYTES together."""
    found, sets, full = list[Trajectory](), dict[object, LoraSet](), False
    key = key_of(waiting[0]).without_loras
    for each in waiting:
        checkpoint = each.denoise.checkpoint
        is_new = bool(checkpoint.adapters) and checkpoint.adapters not in sets
        # Sets beyond a limit are not asked for, since a checkpoint keeps only so many of them.
        if key_of(each).without_loras != key or (is_new and full):
            continue
        loras = checkpoint.lora_set
        if loras is not None and is_new:
            together = sets | {checkpoint.adapters: loras}
            full = common_layout(together.values()).bytes(checkpoint.dtype) > MOST_BYTES
            loras, sets = (None, sets) if full else (loras, together)
            full = full or len(sets) == MOST_SETS
        if loras is not None:
            found.append(each)
        elif not found:
            return []
    return found
