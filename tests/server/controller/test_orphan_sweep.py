"""Images of lost attempts are deleted after an hour; those of winning attempts and unfinished tasks stay."""

import pytest

from server.controller.orphan_sweep import QUIET_S, SWEEP_ORPHANS_EVERY_S, OrphanSweeper
from server.storage.bucket import BucketUnavailableError
from server.storage.bucket_keys import MOVED, image_key
from server.task import RETENTION_S, Manifest, Task
from tests.support.clock import NOW


@pytest.fixture
def losers(bucket, clock) -> OrphanSweeper:
    return OrphanSweeper(bucket, clock)


async def put(bucket, task: Task, attempt: str, at: float, name: str = "0.png") -> str:
    """Stores an image as this attempt would, at this time."""
    key = image_key(task.retention, at + RETENTION_S[task.retention], task.id, attempt, name)
    await bucket.put(key, b"png")
    return key


async def end(bucket, make_outcome, task: Task, keys=()) -> None:
    await bucket.put_manifest(Manifest(outcome=make_outcome(task, keys=keys), expires_at=NOW + 1e6))


async def left(bucket) -> list[str]:
    return sorted(key for key, _ in await bucket.keys("images"))


@pytest.mark.parametrize("retention", ["24h", "7d", "30d"])
async def test_lost_images_are_deleted_and_result_images_stay(
    bucket, losers, clock, make_task, make_outcome, retention
) -> None:
    """R3"""
    task = make_task(retention=retention)
    await losers.sweep()
    lost = [await put(bucket, task, "lost", NOW), await put(bucket, task, "parked", NOW, "parked")]
    won = [await put(bucket, task, "won", NOW + 40), await put(bucket, task, "won", NOW + 70, "1.png")]
    await end(bucket, make_outcome, task, won)
    while clock.now < NOW + 3600:
        clock.pass_by(SWEEP_ORPHANS_EVERY_S)
        await losers.sweep()
        if clock.now < NOW + QUIET_S:
            assert await left(bucket) == sorted([*lost, *won])
    assert await left(bucket) == won


async def test_images_of_unfinished_tasks_stay(bucket, losers, clock, make_task, make_outcome) -> None:
    """The winning attempt is not known yet."""
    task = make_task()
    keys = [await put(bucket, task, attempt, NOW) for attempt in ("one", "other")]
    for _ in range(3):
        clock.pass_by(2 * QUIET_S)
        await losers.sweep()
        assert await left(bucket) == sorted(keys)
    await end(bucket, make_outcome, task, keys[:1])
    clock.pass_by(SWEEP_ORPHANS_EVERY_S)
    await losers.sweep()
    assert await left(bucket) == keys[:1]


async def test_images_that_are_being_moved_stay(bucket, losers, clock, make_task, make_outcome) -> None:
    """They are copied before the manifest names them."""
    task = make_task(retention="7d")
    await losers.sweep()
    copied = await put(bucket, task, MOVED, NOW)
    await end(bucket, make_outcome, task)
    clock.pass_by(2 * QUIET_S)
    await losers.sweep()
    assert await left(bucket) == [copied]


async def test_images_of_canceled_tasks_are_deleted(bucket, losers, clock, make_task, make_outcome) -> None:
    task = make_task()
    await put(bucket, task, "late", NOW)
    await end(bucket, make_outcome, task)
    clock.pass_by(QUIET_S + 60)
    await losers.sweep()
    assert await left(bucket) == []


async def test_failed_sweep_is_repeated(bucket, clock, make_task, make_outcome, fated, new_fate) -> None:
    fate, task = new_fate(None, 2), make_task()
    losers = OrphanSweeper(fated(bucket, fate), clock)
    await put(bucket, task, "lost", NOW)
    await end(bucket, make_outcome, task)
    clock.pass_by(QUIET_S + 60)
    fate.error = BucketUnavailableError("away")
    with pytest.raises(BucketUnavailableError):
        await losers.sweep()
    fate.error = None
    await losers.sweep()
    assert await left(bucket) == []
