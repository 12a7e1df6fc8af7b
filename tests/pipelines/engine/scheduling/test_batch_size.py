"""The policy, fed with times as a device would give them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipelines.engine.scheduling.batch_key import BatchKey
from pipelines.engine.scheduling.batch_size import MOST_ROWS, RECONSIDER_AFTER, Capacity, knee


def key(side: int) -> BatchKey:
    return BatchKey("model", (4, side, side), (77, 768), ())


def launch_bound(rows: int) -> float:
    """A device that is idle most of the time: a step costs the same until 16 rows keep it busy."""
    return 0.02 * max(1, rows / 16)


def saturated(rows: int) -> float:
    return 0.05 * rows


def learn(capacity: Capacity, at: BatchKey, seconds: Callable[[int], float], steps: int = 40) -> int:
    """What the capacity settles on if there is always enough work to fill a batch."""
    capacity.observe(at, 2, seconds(2))
    capacity.observe(at, 2, seconds(2))
    for _ in range(steps):
        rows = capacity.rows(at)
        capacity.observe(at, rows, seconds(rows))
    return capacity.rows(at)


def test_capacity_grows_while_it_pays() -> None:
    assert learn(Capacity(), key(64), launch_bound) == 16


def test_capacity_is_one_image_if_batching_gains_nothing() -> None:
    assert learn(Capacity(), key(64), saturated) == 2


def test_capacity_has_a_maximum() -> None:
    assert learn(Capacity(), key(64), lambda rows: 1.0) == MOST_ROWS


def test_assumed_rows_shrink_with_image_size() -> None:
    capacity = Capacity()
    assert [capacity.rows(key(side)) for side in (32, 64, 128)] == [32, 8, 2]
    assert capacity.rows(key(512)) >= 1


def test_keys_are_measured_separately() -> None:
    capacity = Capacity()
    learn(capacity, key(64), saturated)
    assert learn(capacity, key(96), launch_bound) == 16
    assert capacity.rows(key(64)) == 2


def test_first_step_of_a_key_does_not_count() -> None:
    capacity = Capacity()
    for rows, first in ((2, launch_bound(2)), (4, 1000.0)):
        capacity.observe(key(64), rows, first)
        capacity.observe(key(64), rows, launch_bound(rows))
    assert capacity.rows(key(64)) == 8


def test_latest_follows_the_last_step() -> None:
    capacity = Capacity()
    assert capacity.latest == capacity.rows(key(64))
    learn(capacity, key(64), saturated)
    assert capacity.latest == 2
    learn(capacity, key(96), launch_bound)
    assert capacity.latest == 16


def test_one_slow_step_changes_nothing() -> None:
    capacity = Capacity()
    learn(capacity, key(64), launch_bound)
    capacity.observe(key(64), 16, 100.0)
    assert capacity.rows(key(64)) == 16


def test_refused_rows_are_not_tried_again() -> None:
    capacity = Capacity()
    capacity.refuse(key(64), 8)
    assert learn(capacity, key(64), launch_bound) == 7
    capacity.refuse(key(64), 1)
    assert capacity.rows(key(64)) == 1


def test_larger_batches_are_reconsidered() -> None:
    capacity = Capacity()
    assert learn(capacity, key(64), saturated) == 2
    assert learn(capacity, key(64), launch_bound, steps=RECONSIDER_AFTER) == 16


@pytest.mark.parametrize(
    ("times", "best"),
    [
        ({2: 1.0}, 2),
        ({2: 1.0, 4: 1.0}, 4),
        ({2: 1.0, 4: 2.0}, 2),
        ({2: 1.0, 4: 1.92, 8: 3.85}, 2),
        ({1: 1.0, 3: 2.0, 9: 5.0}, 9),
    ],
)
def test_knee_is_the_smallest_row_count_within_5_percent(times: dict[int, float], best: int) -> None:
    assert knee(times) == best


def test_loras_share_the_measurements_of_plain_weights() -> None:
    capacity = Capacity()
    worn = key(64)._replace(adapters=(("ink", 0.8),))
    assert learn(capacity, worn, launch_bound) == capacity.rows(key(64)) == 16
