import asyncio
import os
import re
import time

import pytest

from server.controller.retention_sweep import DAY_S, FULL_SWEEP_EVERY_S, USAGE_RETENTION_S, Sweeper
from server.observability.metrics import REGISTRY
from server.settings import Settings
from server.storage.bucket import BucketUnavailableError
from server.storage.bucket_keys import MOMENT_S, image_key, swept_at, usage_key
from server.storage.s3 import open_bucket
from server.task import RETENTION_S
from tests.support.clock import NOW, Clock


@pytest.fixture
def sweeper(bucket, clock) -> Sweeper:
    return Sweeper(bucket, clock)


@pytest.mark.parametrize("retention", RETENTION_S)
async def test_image_is_deleted_within_half_a_minute_after_its_end(bucket, sweeper, clock, retention) -> None:
    """I14"""
    for second in range(0, 30, 7):
        expires_at = NOW + second + 0.5
        key = image_key(retention, expires_at, f"task-{second}", "a", "0.png")
        await bucket.put(key, b"png")
        clock.now = expires_at
        await sweeper.sweep_images()
        assert await bucket.get(key) is not None
        clock.now = expires_at + MOMENT_S
        await sweeper.sweep_images()
        assert await bucket.get(key) is None


async def test_only_due_moments_are_deleted_and_completely(bucket, sweeper, clock) -> None:
    due = [image_key(tier, NOW - 90, "t", attempt, "0.png") for tier in RETENTION_S for attempt in "ab"]
    later = [image_key(tier, NOW + 90, "t", "a", "0.png") for tier in RETENTION_S]
    for key in [*due, *later]:
        await bucket.put(key, b"png")
    await sweeper.sweep_images()
    assert sorted(key for key, _ in await bucket.keys("images")) == sorted(later)
    assert len(await bucket.folders("images/24h")) == 1
    await sweeper.sweep_images()


async def test_on_s3_only_due_moments_are_listed(own_s3) -> None:
    """With any number of images: a sweep between moments sends no request, one at a moment one per retention."""
    bucket, clock = open_bucket(Settings(**own_s3.settings)), Clock()
    sweeper = Sweeper(bucket, clock)
    await sweeper.sweep_images()
    keys = [image_key("5m", NOW + 60 * minute, "t", "a", "0.png") for minute in range(30)]
    await asyncio.gather(*(bucket.put(key, b"png") for key in keys))
    before = len(own_s3.requests())
    for _ in range(12):
        clock.pass_by(10)
        await sweeper.sweep_images()
    requests = own_s3.requests()[before:]
    listed = [line for line in requests if "s3_ListObjectsV2" in line]
    assert len(listed) == 4 * len(RETENTION_S)
    assert all(re.search(r"prefix=images%2F\w+%2F\d{8}T\d{6}", line) for line in listed)
    gone = [key for key in keys if await bucket.get(key) is None]
    assert gone == [key for key in keys if swept_at(key) <= clock.now]
    assert len([line for line in requests if "s3_DeleteObjects" in line]) == len(gone) == 2


async def test_late_image_is_deleted_within_the_hour(bucket, sweeper, clock) -> None:
    await sweeper.sweep_images()
    late = image_key("5m", NOW - 600, "t", "a", "0.png")
    await bucket.put(late, b"png")
    clock.pass_by(60)
    await sweeper.sweep_images()
    assert await bucket.get(late) is not None
    clock.pass_by(FULL_SWEEP_EVERY_S)
    await sweeper.sweep_images()
    assert await bucket.get(late) is None


async def test_failed_moment_is_swept_the_next_time(bucket, clock, fated, new_fate) -> None:
    fate = new_fate(None, 1)
    sweeper = Sweeper(fated(bucket, fate), clock)
    await sweeper.sweep_images()
    key = image_key("5m", NOW, "t", "a", "0.png")
    await bucket.put(key, b"png")
    clock.pass_by(90)
    fate.error = BucketUnavailableError("away")
    with pytest.raises(BucketUnavailableError):
        await sweeper.sweep_images()
    fate.error = None
    clock.pass_by(90)
    await sweeper.sweep_images()
    assert await bucket.get(key) is None


async def test_foreign_objects_stay(bucket, sweeper) -> None:
    await bucket.put("images/24h/a-foreign-folder/x.png", b"png")
    await bucket.put("images/elsewhere/19990101T0000/x.png", b"png")
    await sweeper.sweep_images()
    assert len(await bucket.keys("images")) == 2


async def test_old_manifests_and_uploads_are_deleted(tmp_path, bucket, sweeper, clock) -> None:
    clock.now = time.time()
    ages = {
        "manifests/young.json": 39,
        "manifests/old.json": 41,
        "callbacks-dead/old.json": 41,
        "callbacks/old.json": 41,
        "uploads/tenant/young": 0.9,
        "uploads/tenant/old": 1.1,
        "styles/tenant/young": 29.9,
        "styles/tenant/old": 30.1,
    }
    for key, days in ages.items():
        await bucket.put(key, b"x")
        written_at = clock.now - days * DAY_S
        os.utime(tmp_path / "bucket" / key, (written_at, written_at))
    await sweeper.sweep_rest()
    assert {key: await bucket.get(key) is not None for key in ages} == {
        "manifests/young.json": True,
        "manifests/old.json": False,
        "callbacks-dead/old.json": False,
        "callbacks/old.json": True,
        "uploads/tenant/young": True,
        "uploads/tenant/old": False,
        "styles/tenant/young": True,
        "styles/tenant/old": False,
    }


async def test_old_usage_is_deleted_by_day(bucket, sweeper, clock) -> None:
    keys = [usage_key(day, tenant, "task") for day in ("2023-11-14", "2023-11-15") for tenant in ("red", "blue")]
    for key in keys:
        await bucket.put(key, b"{}")
    clock.now = NOW + USAGE_RETENTION_S
    await sweeper.sweep_rest()
    assert [key for key, _ in sorted(await bucket.keys("usage"))] == sorted(keys)
    clock.pass_by(DAY_S)
    await sweeper.sweep_rest()
    assert [key for key, _ in sorted(await bucket.keys("usage"))] == sorted(keys[2:])


async def test_lag_grows_while_sweeping_fails(bucket, fated, new_fate, monkeypatch) -> None:
    fate, began = new_fate(None, 1), time.time()
    sweeper = Sweeper(fated(bucket, fate))
    fate.error = BucketUnavailableError("away")
    with monkeypatch.context() as later:
        later.setattr(time, "time", lambda: began + 900)
        with pytest.raises(BucketUnavailableError):
            await sweeper.sweep_images()
        assert REGISTRY.get_sample_value("hua_sweeper_lag_seconds") == pytest.approx(900, abs=60)
    fate.error = None
    await sweeper.sweep_images()
    assert REGISTRY.get_sample_value("hua_sweeper_lag_seconds") < 60
