"""Whose turn it is, by the clock."""

from __future__ import annotations

from pipelines.engine.scheduling.priority import PATIENCE, StepPriority


def test_higher_class_goes_first() -> None:
    turns = [
        StepPriority.of("low", 0.0),
        StepPriority.of("normal", 50.0),
        StepPriority.of("high", 100.0, remaining_s=60.0),
    ]
    assert sorted(turns) == turns[::-1]


def test_within_a_class_first_come_goes_first() -> None:
    assert StepPriority.of("normal", 1.0) < StepPriority.of("normal", 1.1)


def test_shorter_task_goes_first_if_sharing_gains_nothing() -> None:
    long, short = StepPriority.of("normal", 0.0, remaining_s=10.0), StepPriority.of("normal", 1.0, remaining_s=2.0)
    assert short < long


def test_no_task_is_overtaken_forever() -> None:
    """Short tasks keep coming, one each second; the long one's turn comes all the same."""
    long = StepPriority.of("normal", 0.0, remaining_s=10.0)
    overtaking = [second for second in range(1000) if StepPriority.of("normal", float(second), remaining_s=1.0) < long]
    assert 0 < len(overtaking) <= 9 * PATIENCE
