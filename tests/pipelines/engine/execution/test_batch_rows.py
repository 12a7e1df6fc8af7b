"""How rows belong to trajectories, with and without guidance."""

from __future__ import annotations

import torch

from models.diffusion.checkpoint import Checkpoint
from pipelines.engine.execution.batch_rows import Rows
from tests.support.trajectories import trajectory


def test_negatives_of_guided_trajectories_come_first(sd1: Checkpoint) -> None:
    first, unguided, last = trajectory(sd1), trajectory(sd1, negative_text=None), trajectory(sd1)
    rows = Rows.of([first, unguided, last])
    assert rows.owners == (0, 2, 0, 1, 2)
    assert rows.positives == ((2,), (3,), (4,))
    assert rows.negatives == (0, 3, 1)
    assert [rows.prompted(row) for row in range(len(rows))] == [False, False, True, True, True]
    assert rows.conditionings[0] is first.prompts.negative
    assert rows.conditionings[3] is unguided.prompts.positives[0]


def test_by_trajectory_splits_values_of_rows(sd1: Checkpoint) -> None:
    rows = Rows.of([trajectory(sd1), trajectory(sd1, negative_text=None)])
    guided, unguided = rows.by_trajectory(torch.arange(3))
    assert [int(value) for value in guided] == [0, 1]
    assert [int(value) for value in unguided] == [2]


def test_patches_are_grouped_by_kind(sd1: Checkpoint) -> None:
    both = [trajectory(sd1, circular=True, deep_cache=2), trajectory(sd1, circular=True, deep_cache=2)]
    kinds = [[type(patch).__name__ for patch in patches] for patches in Rows.of(both).patches]
    assert kinds == [["CircularPadding"] * 2, ["DeepCache"] * 2]
    assert Rows.of([trajectory(sd1)]).patches == []
