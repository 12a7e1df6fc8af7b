from datetime import date, timedelta

import pytest

from server.storage.bucket import FolderBucket
from server.storage.bucket_keys import usage_key
from server.task import Status
from server.tenancy.usage import Usage
from server.tenancy.usage_summary import UsageSummaries

MONDAY, TUESDAY, SUNDAY = date(2027, 1, 4), date(2027, 1, 5), date(2027, 1, 10)


class CountingBucket(FolderBucket):
    """Counts reads and listings."""

    reads = lists = 0

    async def get(self, key: str) -> bytes | None:
        self.reads += 1
        return await super().get(key)

    async def keys(self, prefix: str) -> list[tuple[str, float]]:
        self.lists += 1
        return await super().keys(prefix)


@pytest.fixture
def bucket(tmp_path) -> CountingBucket:
    return CountingBucket(tmp_path / "bucket")


@pytest.fixture
def put(bucket):
    async def put(task: str, day: date = MONDAY, **fields) -> None:
        plain = {"task": task, "tenant": "red", "type": "txt2img.sd", "model": "m", "status": "succeeded", "images": 1}
        numbers = {"width": 8, "height": 8, "steps": 1, "cost": 2.0, "charge": 2.0, "device_s": 0.5}
        times = {"created_at": 1.0, "started_at": 1.0, "finished_at": 1.0}
        usage = Usage(**plain | numbers | times | fields)
        await bucket.put(usage_key(day.isoformat(), usage.tenant, task), usage.model_dump_json().encode())

    return put


async def test_summarize_sums_by_day_and_type(bucket, put):
    await put("1", images=3)
    await put("2", status=Status.FAILED, charge=0.0, images=0)
    await put("3", status=Status.CANCELED, charge=0.0, images=0)
    await put("4", type="erase")
    await put("5", day=TUESDAY)
    await put("6", tenant="blue")
    await put("7", day=SUNDAY)
    rows = await UsageSummaries(bucket).summarize("red", MONDAY, TUESDAY)
    assert [(row.day, row.type) for row in rows] == [(MONDAY, "erase"), (MONDAY, "txt2img.sd"), (TUESDAY, "txt2img.sd")]
    monday = rows[1]
    assert (monday.succeeded, monday.failed, monday.canceled, monday.images) == (1, 1, 1, 3)
    assert (monday.cost, monday.charge, monday.device_s) == (6.0, 2.0, 1.5)


async def test_summarize_lists_all_tenants_separately(bucket, put):
    await put("1")
    await put("2", tenant="blue")
    rows = await UsageSummaries(bucket).summarize(None, MONDAY, SUNDAY)
    assert [(row.tenant, row.succeeded) for row in rows] == [("blue", 1), ("red", 1)]


async def test_summarize_ignores_tenants_with_the_same_prefix(bucket, put):
    await put("1", tenant="red-2")
    assert await UsageSummaries(bucket).summarize("red", MONDAY, MONDAY) == []


async def test_each_record_is_read_once(bucket, put):
    summaries = UsageSummaries(bucket)
    for number in range(50):
        await put(str(number))
    first = await summaries.summarize("red", MONDAY, MONDAY)
    assert await summaries.summarize("red", MONDAY, MONDAY) == first
    assert bucket.reads == 50
    await put("late")
    assert (await summaries.summarize("red", MONDAY, MONDAY))[0].succeeded == 51
    assert bucket.reads == 51
    assert first[0].succeeded == 50


async def test_cache_has_a_limit_of_days(bucket, put):
    """I17"""
    summaries = UsageSummaries(bucket, cached_days=2)
    for tenant in ("a", "b", "c"):
        await put("1", tenant=tenant)
    for _ in range(2):
        assert len(await summaries.summarize(None, MONDAY, MONDAY)) == 3
    assert bucket.reads == 6, "of three days in a cache of two, each is read again"


async def test_invalid_record_is_logged_and_not_counted(bucket, put, caplog):
    await put("1")
    await bucket.put(usage_key(MONDAY.isoformat(), "red", "2"), b"{")
    assert (await UsageSummaries(bucket).summarize("red", MONDAY, MONDAY))[0].succeeded == 1
    assert "usage/2027-01-04/red/2.json is not a usage record" in caplog.text


async def test_complete_days_are_summed_once(bucket, put):
    """Keys of records are kept in memory for recent days only."""
    summaries = UsageSummaries(bucket, today=lambda: MONDAY + timedelta(9))
    for day in (MONDAY, TUESDAY):
        await put("1", day=day)
        await put("2", day=day)
    first = await summaries.summarize("red", MONDAY, TUESDAY)
    assert (bucket.lists, bucket.reads) == (2, 4)
    assert await summaries.summarize("red", MONDAY, TUESDAY) == first
    assert (bucket.lists, bucket.reads) == (3, 4), "records of Tuesday may still be added"
    # Only the cache itself shows that the keys are gone.
    assert {day: len(totals.read_keys) for (day, _), totals in summaries._days.items()} == {MONDAY: 0, TUESDAY: 2}
