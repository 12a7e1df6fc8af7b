"""Trajectories that share one forward pass. A batch lives for one step; the trajectories hold all state."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from pipelines.engine.execution.batch_rows import Rows
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.scheduling.batch_key import key_of
from pipelines.engine.trajectory import Trajectory


class Batch:
    """One step of trajectories with equal keys. Its memory and its CUDA graphs are kept in `graphs`."""

    def __init__(self, trajectories: Sequence[Trajectory], graphs: Graphs | None = None) -> None:
        self._trajectories = trajectories
        self._rows = Rows.of(trajectories)
        self._graphs = graphs or Graphs()
        self.key = key_of(trajectories[0])

    @property
    def rows(self) -> int:
        return len(self._rows)

    def step(self) -> None:
        """Advances every trajectory by one step, or none of them if it raises. Then draws the noise of the next steps
        while the device works."""
        latents, outputs, features = self._graphs.run(self.key, self._rows)
        no_features: list[tuple[Tensor, ...]] = [()] * len(self._trajectories)
        deep_features = no_features if features is None else self._rows.by_trajectory(features)
        for each, own_latents, output, own_features in zip(
            self._trajectories, latents, outputs, deep_features, strict=False
        ):
            each.advance(own_latents, output, own_features)
        for each in self._trajectories:
            each.draw_ahead()
