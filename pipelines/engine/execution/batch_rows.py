"""How the rows of a forward pass belong to trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from models.conditioning import Conditioning
from models.patches.patch import DenoiserPatch
from pipelines.engine.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one forward pass: the negatives of guided trajectories first, then the prompts of all."""

    trajectories: Sequence[Trajectory]
    owners: tuple[int, ...]
    """Index of each row's trajectory."""
    positives: tuple[int, ...]
    """Row of each trajectory's prompt."""
    negatives: tuple[int, ...]
    """Row of each trajectory's negative. Without one it is the row of the prompt, so guidance changes nothing."""

    @classmethod
    def of(cls, trajectories: Sequence[Trajectory]) -> Rows:
        guided = [index for index, each in enumerate(trajectories) if each.negative is not None]
        positives = tuple(len(guided) + index for index in range(len(trajectories)))
        row_by_index = {index: row for row, index in enumerate(guided)}
        negatives = tuple(row_by_index.get(index, row) for index, row in enumerate(positives))
        return cls(trajectories, (*guided, *range(len(trajectories))), positives, negatives)

    def __len__(self) -> int:
        return len(self.owners)

    @property
    def conditionings(self) -> list[Conditioning]:
        """One per row."""
        negatives = [each.negative for each in self.trajectories if each.negative is not None]
        return negatives + [each.denoise.positive for each in self.trajectories]

    @property
    def patches(self) -> list[tuple[DenoiserPatch, ...]]:
        """The patches of the batch, each as every trajectory has it."""
        return list(zip(*(each.patches for each in self.trajectories), strict=True))

    @property
    def deep_features(self) -> list[Tensor]:
        """One per row, [channels, h, w]."""
        negatives = [each.deep_features[0] for each in self.trajectories if each.negative is not None]
        return negatives + [each.deep_features[-1] for each in self.trajectories]

    def by_trajectory(self, values: Tensor) -> list[tuple[Tensor, ...]]:
        """Splits values [rows, …]: for each trajectory those of its negative's row, if it has one, and its prompt's."""
        pairs = zip(self.negatives, self.positives, strict=True)
        return [tuple(values[row] for row in dict.fromkeys(pair)) for pair in pairs]

    def prompted(self, row: int) -> bool:
        """Whether a row is that of a prompt."""
        return row >= len(self) - len(self.trajectories)
