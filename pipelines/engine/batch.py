"""Trajectories that share one forward pass. A batch lives for one step; the trajectories hold all state."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from models.adapters.lora_beside import MOST_SETS, common_layout
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
        middle, beside = len(self.trajectories) // 2, self.key.beside is not None
        first, second = self.trajectories[:middle], self.trajectories[middle:]
        return Batch(first, self._graphs, beside=beside), Batch(second, self._graphs, beside=beside)

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
    sets = [each.denoise.checkpoint.lora_set for each in trajectories]
    return key_of(trajectories[0]).without_loras._replace(
        beside=common_layout(each for each in sets if each is not None)
    )


def mixing(waiting: Sequence[Trajectory]) -> list[Trajectory]:
    """Those that may share a batch with the first if their LoRAs are beside the weights; at most MOST_SETS sets."""
    first, found, sets = waiting[0], list[Trajectory](), set[object]()
    if first.denoise.checkpoint.lora_set is None:
        return []
    key = key_of(first).without_loras
    for each in waiting:
        checkpoint = each.denoise.checkpoint
        own = {checkpoint.adapters} if checkpoint.adapters else set()
        # Sets beyond the limit are not asked for, since a checkpoint keeps only so many of them.
        if key_of(each).without_loras != key or len(sets | own) > MOST_SETS:
            continue
        if checkpoint.lora_set is not None:
            sets |= own
            found.append(each)
    return found
