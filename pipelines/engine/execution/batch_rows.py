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
    """The rows of one forward pass: the negatives of guided trajectories first, then the prompts of all.

    It holds for one step: prompts may change with the steps.
    """

    trajectories: Sequence[Trajectory]
    owners: tuple[int, ...]
    """Index of each row's trajectory."""
    positives: tuple[tuple[int, ...], ...]
    """Rows of each trajectory's prompts; all trajectories have equally many."""
    negatives: tuple[int, ...]
    """Row of each trajectory's negative. Without one it is the row of its first prompt."""
    conditionings: tuple[Conditioning, ...]
    """One per row."""

    @classmethod
    def of(cls, trajectories: Sequence[Trajectory]) -> Rows:
        prompts = [each.prompts for each in trajectories]
        negatives = {index: each.negative for index, each in enumerate(prompts) if each.negative is not None}
        row_of_negative = {index: row for row, index in enumerate(negatives)}
        width = len(prompts[0].positives)
        positives = [
            tuple(range(first, first + width))
            for first in range(len(negatives), len(negatives) + width * len(prompts), width)
        ]
        return cls(
            trajectories,
            owners=(*negatives, *(index for index in range(len(prompts)) for _ in range(width))),
            positives=tuple(positives),
            negatives=tuple(row_of_negative.get(index, rows[0]) for index, rows in enumerate(positives)),
            conditionings=(*negatives.values(), *(positive for each in prompts for positive in each.positives)),
        )

    def __len__(self) -> int:
        return len(self.owners)

    @property
    def patches(self) -> list[tuple[DenoiserPatch, ...]]:
        """The patches of the batch, each as every trajectory has it."""
        return list(zip(*(each.patches for each in self.trajectories), strict=True))

    @property
    def deep_features(self) -> list[Tensor]:
        """One per row, [channels, h, w]."""
        owners, width = self.owners, len(self.positives[0])
        negatives = [self.trajectories[owner].deep_features[0] for owner in owners[: self._first_prompt]]
        return negatives + [each for one in self.trajectories for each in one.deep_features[-width:]]

    def by_trajectory(self, values: Tensor) -> list[tuple[Tensor, ...]]:
        """Splits values [rows, …]: for each trajectory those of its negative's row, if it has one, and its prompts'."""
        each_rows = zip(self.negatives, self.positives, strict=True)
        return [tuple(values[row] for row in dict.fromkeys((first, *others))) for first, others in each_rows]

    def prompted(self, row: int) -> bool:
        """Whether a row is that of a prompt."""
        return row >= self._first_prompt

    @property
    def _first_prompt(self) -> int:
        return self.positives[0][0]
