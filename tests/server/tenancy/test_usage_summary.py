from datetime import date, timedelta

import pytest

from server.storage.bucket import FolderBucket, usage_key
from server.task import Status
from server.tenancy.usage import Usage
from server.tenancy.usage_summary import UsageSummaries

MONDAY, TUESDAY, SUNDAY = date(2027, 1, 4), date(2027, 1, 5), date(2027, 1, 10)


class Counted(FolderBucket):
    """Counts what is read."""

    reads = lists = 0

    async def get(self, key: str) -> bytes | None:
        self.reads += 1
        return await super().get(key)

    async def keys(self, prefix: str) -> list[tuple[str, float]]:
        self.lists += 1
        return await super().keys(prefix)


@pytest.fixture
def bucket(tmp_path) -> Counted:
    return Counted(tmp_path / "bucket")


@pytest.fixture
def put(bucket):
    async def put(task: str, day: date = MONDAY, **fields) -> None:
        plain = {"task": task, "tenant": "red", "type": "txt2img.sd", "model": "m", "status": "succeeded", "images": 1}
        numbers = {"width": 8, "height": 8, "steps": 1, "cost": 2.0, "charge": 2.0, "device_s": 0.5}
        times = {"created_at": 1.0, "started_at": 1.0, "finished_at": 1.0}
        usage = Usage(**plain | numbers | times | fields)
        await bucket.put(usage_key(day.isoformat(), usage.tenant, task), usage.model_dump_json().encode())

    return put


async def test_tasks_are_summed_by_day_and_type(bucket, put):
    await put("1", images=3)
    await put("2", status=Status.FAILED, charge=0.0, images=0)
    await put("3", status=Status.CANCELED, charge=0.0, images=0)
    await put("4", type="erase")
    await put("5", day=TUESDAY)
    await put("6", tenant="blue")
    await put("7", day=SUNDAY)
    sums = await UsageSummaries(bucket).summarize("red", MONDAY, TUESDAY)
    assert [(one.day, one.type) for one in sums] == [(MONDAY, "erase"), (MONDAY, "txt2img.sd"), (TUESDAY, "txt2img.sd")]
    monday = sums[1]
    assert (monday.succeeded, monday.failed, monday.canceled, monday.images) == (1, 1, 1, 3)
    assert (monday.cost, monday.charge, monday.device_s) == (6.0, 2.0, 1.5)


async def test_all_tenants_together_stay_apart(bucket, put):
    await put("1")
    await put("2", tenant="blue")
    sums = await UsageSummaries(bucket).summarize(None, MONDAY, SUNDAY)
    assert [(one.tenant, one.succeeded) for one in sums] == [("blue", 1), ("red", 1)]


async def test_a_tenant_is_not_taken_for_one_whose_name_begins_alike(bucket, put):
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


async def test_no_more_days_are_remembered_than_said(bucket, put):
    """I17"""
    summaries = UsageSummaries(bucket, cached_days=2)
    for tenant in ("a", "b", "c"):
        await put("1", tenant=tenant)
    for _ in range(2):
        assert len(await summaries.summarize(None, MONDAY, MONDAY)) == 3
    assert len(summaries._days) == 2


async def test_what_is_no_record_is_named_and_not_counted(bucket, put, caplog):
    await put("1")
    await bucket.put(usage_key(MONDAY.isoformat(), "red", "2"), b"{")
    assert (await UsageSummaries(bucket).summarize("red", MONDAY, MONDAY))[0].succeeded == 1
    assert "usage/2027-01-04/red/2.json is not a usage record" in caplog.text


async def test_days_long_past_are_summed_once_and_their_records_forgotten(bucket, put):
    """Memory is taken for the records of a week, not for those of years."""
    summaries = UsageSummaries(bucket, today=lambda: MONDAY + timedelta(9))
    for day in (MONDAY, TUESDAY):
        await put("1", day=day)
        await put("2", day=day)
    first = await summaries.summarize("red", MONDAY, TUESDAY)
    assert (bucket.lists, bucket.reads) == (2, 4)
    assert await summaries.summarize("red", MONDAY, TUESDAY) == first
    assert (bucket.lists, bucket.reads) == (3, 4), "Tuesday's may still come"
    assert {day: len(totals.read_keys) for (day, _), totals in summaries._days.items()} == {MONDAY: 0, TUESDAY: 2}
