"""Trajectories sharing one forward pass. A batch lives for one step; the trajectories are all that stays."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from pipelines.engine.execution.batch_rows import Rows
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.scheduling.batch_key import key_of
from pipelines.engine.trajectory import Trajectory


class Batch:
    """One step of trajectories of one key, on memory and by graphs that outlive it."""

    def __init__(self, trajectories: Sequence[Trajectory], graphs: Graphs | None = None) -> None:
        self._trajectories = trajectories
        self._rows = Rows.of(trajectories)
        self._graphs = graphs or Graphs()
        self.key = key_of(trajectories[0])

    @property
    def rows(self) -> int:
        return len(self._rows)

    def step(self) -> None:
        """Advances every trajectory by one step, or none of them if it raises; then draws the noise of their next one
        while the device is at work."""
        latents, outputs, features = self._graphs.run(self.key, self._rows)
        kept: list[tuple[Tensor, ...]] = [()] * len(self._trajectories)
        deep = kept if features is None else self._rows.by_trajectory(features)
        for each, latent, output, own in zip(self._trajectories, latents, outputs, deep, strict=False):
            each.advance(latent, output, own)
        for each in self._trajectories:
            each.draw_ahead()
