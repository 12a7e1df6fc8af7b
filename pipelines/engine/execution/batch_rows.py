"""Where the rows of a forward pass belong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from models.conditioning import Conditioning
from pipelines.engine.trajectory import Trajectory


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one forward pass: the guided trajectories' negatives first, then every positive."""

    trajectories: Sequence[Trajectory]
    owners: tuple[int, ...]
    """Whose each row is."""
    positives: tuple[int, ...]
    """The row of each trajectory's prompt."""
    negatives: tuple[int, ...]
    """That of its negative; without one, of the prompt: guidance then changes nothing, for both say the same."""

    @classmethod
    def of(cls, trajectories: Sequence[Trajectory]) -> Rows:
        guided = [index for index, each in enumerate(trajectories) if each.negative is not None]
        positives = tuple(len(guided) + index for index in range(len(trajectories)))
        place = {index: row for row, index in enumerate(guided)}
        negatives = tuple(place.get(index, row) for index, row in enumerate(positives))
        return cls(trajectories, (*guided, *range(len(trajectories))), positives, negatives)

    def __len__(self) -> int:
        return len(self.owners)

    @property
    def conditionings(self) -> list[Conditioning]:
        negatives = [each.negative for each in self.trajectories if each.negative is not None]
        return negatives + [each.denoise.positive for each in self.trajectories]

    @property
    def deep(self) -> list[Tensor]:
        """The deep features that each row has kept, [channels, h, w]."""
        negatives = [each.deep[0] for each in self.trajectories if each.negative is not None]
        return negatives + [each.deep[-1] for each in self.trajectories]

    def of_each(self, values: Tensor) -> list[tuple[Tensor, ...]]:
        """Of values [rows, …] those of each trajectory: the negative's row, if it has one, and the prompt's."""
        pairs = zip(self.negatives, self.positives, strict=True)
        return [tuple(values[row] for row in dict.fromkeys(pair)) for pair in pairs]

    def prompted(self, row: int) -> bool:
        """Whether a row is that of a prompt."""
        return row >= len(self) - len(self.trajectories)
