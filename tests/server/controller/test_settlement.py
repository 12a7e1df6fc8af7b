import asyncio
from contextlib import closing

import pytest

from server.broker.sqlite.broker import SQLiteBroker
from server.broker.sqlite.log_file import LogFile, LogRecord
from server.controller.settlement import Settlement
from server.observability.metrics import REGISTRY
from server.queue import DueCallback
from server.storage.bucket_keys import callback_key, image_key, usage_key
from server.storage.pending_callbacks import decode_callback
from server.task import POISON, RETENTION_S, Callback, Failure, Image, Outcome, Status
from server.tenancy.usage import Usage, usage_of

FAR = 1e12


def read_log(folder, name: str) -> list[LogRecord]:
    """All records of a log, read without a broker."""
    file = LogFile(folder / "logs.sqlite", 5.0)
    with closing(file):
        return file.read(name, 0, 1000)


@pytest.fixture
def settled() -> list[str]:
    """The ids passed to `on_settled`."""
    return []


@pytest.fixture
def settle_all(broker, queue, bucket, settled):
    """Runs the settling to the end of the log."""

    async def on_settled(task_id: str) -> None:
        settled.append(task_id)

    async def run(**services) -> None:
        used = {"broker": broker, "queue": queue, "bucket": bucket} | services
        settling = Settlement(**used, on_settled=on_settled)
        work = asyncio.create_task(settling.run())
        caught_up = asyncio.create_task(settling.caught_up.wait())
        await asyncio.wait({work, caught_up}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
        caught_up.cancel()
        if work.done():
            work.result()
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    return run


async def test_outcome_becomes_a_manifest_and_reaches_the_queue(
    broker, queue, bucket, settle_all, settled, make_task, make_outcome
) -> None:
    task = make_task(retention="5m")
    await queue.ingest(task)
    outcome = make_outcome(task)
    await broker.publish_outcome(outcome)
    await settle_all()
    manifest = await bucket.manifest(task.id)
    assert manifest.outcome == outcome
    assert manifest.expires_at == outcome.finished_at + RETENTION_S["5m"]
    assert (await queue.find(task.id)).status is Status.SUCCEEDED
    assert settled == [task.id]
    assert await queue.next_callbacks(FAR, 9) == []


async def test_usage_is_recorded_once_per_task(
    tmp_path, broker, queue, bucket, settle_all, make_task, make_outcome
) -> None:
    """I7: one object in the bucket; in the log, one record per reading of the first outcome."""
    done, failed = make_task(tenant="red", cost=2.0), make_task(tenant="red", cost=3.0)
    first = make_outcome(done)
    outcomes = [first, make_outcome(failed, Status.FAILED), make_outcome(done, Status.FAILED), make_outcome(failed)]
    for outcome in [*outcomes, first]:
        await broker.publish_outcome(outcome)
    await settle_all()
    keys = [key for key, _ in await bucket.keys("usage/2023-11-14/red")]
    assert sorted(keys) == [f"usage/2023-11-14/red/{task.id}.json" for task in (done, failed)]
    charges = {usage.task: usage.charge for usage in [Usage.model_validate_json(await bucket.get(key)) for key in keys]}
    assert charges == {done.id: 2.0, failed.id: 0.0}
    logged = [(each.key, Usage.model_validate_json(each.value).charge) for each in read_log(tmp_path, "usage")]
    assert sorted(logged) == sorted([(done.id, 2.0), (failed.id, 0.0), (done.id, 2.0)])


async def test_only_poison_is_published(tmp_path, broker, settle_all, make_task, make_outcome) -> None:
    poison, bad = make_task(), make_task()
    for task, code in ((poison, POISON), (bad, "bad_input")):
        await broker.publish_outcome(make_outcome(task, Status.FAILED, failure=Failure(code=code, message="no")))
    await settle_all()
    (record,) = read_log(tmp_path, "poison")
    assert Outcome.model_validate_json(record.value).task == poison


async def test_ended_task_is_counted_once(broker, settle_all, make_task, make_outcome) -> None:
    def ended(status: str) -> float:
        labels = {"type": "txt2img.sd", "class": "normal", "status": status}
        return REGISTRY.get_sample_value("hua_tasks_ended_total", labels) or 0.0

    before = ended("succeeded"), ended("failed")
    task = make_task()
    for status in (Status.SUCCEEDED, Status.FAILED, Status.SUCCEEDED):
        await broker.publish_outcome(make_outcome(task, status))
    await settle_all()
    assert (ended("succeeded"), ended("failed")) == (before[0] + 1, before[1])


async def test_first_outcome_wins_and_later_images_are_deleted(
    broker, queue, bucket, settle_all, make_task, make_outcome
) -> None:
    """I3"""
    task = make_task()
    keys = [image_key("24h", FAR / 100, task.id, attempt, "0.png") for attempt in ("first", "second")]
    for key in keys:
        await bucket.put(key, b"png")
    first = make_outcome(task, keys=keys[:1])
    for outcome in (first, make_outcome(task, keys=keys[1:]), make_outcome(task, Status.CANCELED), first):
        await broker.publish_outcome(outcome)
    await settle_all()
    assert (await bucket.manifest(task.id)).outcome == first
    assert [await bucket.get(key) for key in keys] == [b"png", None]
    assert (await queue.find(task.id)).status is Status.SUCCEEDED


async def test_withheld_image_is_counted_and_has_no_file(broker, bucket, settle_all, make_task, make_outcome) -> None:
    def counted(name: str) -> float:
        return REGISTRY.get_sample_value(f"hua_images_{name}_total", {"type": "txt2img.sd"}) or 0.0

    before = counted("made"), counted("withheld")
    task, image = make_task(), Image(key="k", width=8, height=8, bytes=1, sha256="")
    withheld = image.model_copy(update={"key": "", "reason": "unsafe"})
    hint = withheld.model_copy(update={"kind": "hint"})
    first, late = make_outcome(task, images=(image, withheld, hint)), make_outcome(task, images=(withheld,))
    other = make_task()
    for outcome in (first, late, make_outcome(other, Status.CANCELED), make_outcome(other, images=(withheld,))):
        await broker.publish_outcome(outcome)
    await settle_all()
    assert (await bucket.manifest(task.id)).expires_at == first.finished_at + RETENTION_S["24h"]
    assert (counted("made"), counted("withheld")) == (before[0] + 1, before[1] + 2)


async def test_earlier_cancel_wins_over_images(broker, bucket, settle_all, make_task, make_outcome) -> None:
    """I13"""
    task = make_task()
    key = image_key("24h", FAR / 100, task.id, "late", "0.png")
    await bucket.put(key, b"png")
    await broker.publish_outcome(make_outcome(task, Status.CANCELED))
    await broker.publish_outcome(make_outcome(task, keys=[key]))
    await settle_all()
    assert (await bucket.manifest(task.id)).outcome.status is Status.CANCELED
    assert await bucket.get(key) is None


@pytest.fixture
async def calling_back(broker, settle_all, make_task, make_outcome) -> Outcome:
    """The outcome, just settled, of a task with a callback."""
    outcome = make_outcome(make_task(callback=Callback(url="http://example.com")))
    await broker.publish_outcome(outcome)
    await settle_all()
    return outcome


async def test_callback_is_stored_and_due_at_once(queue, bucket, calling_back) -> None:
    task_id, finished_at = calling_back.task.id, calling_back.finished_at
    due = DueCallback(task_id, finished_at)
    assert decode_callback(await bucket.get(callback_key(task_id))) == due
    assert await queue.next_callbacks(finished_at, 9) == [due]


async def test_repeated_outcome_does_not_repeat_its_callback(
    broker, queue, bucket, settle_all, make_outcome, calling_back
) -> None:
    """I6"""
    task = calling_back.task
    await bucket.delete([callback_key(task.id)])
    await queue.drop_callback(task.id)
    await broker.publish_outcome(calling_back)
    await broker.publish_outcome(make_outcome(task))
    await settle_all()
    assert await queue.next_callbacks(FAR, 9) == []


async def test_late_outcome_keeps_the_retry_schedule(broker, queue, settle_all, make_outcome, calling_back) -> None:
    task, finished_at = calling_back.task, calling_back.finished_at
    again = DueCallback(task.id, finished_at + 500, tries=10)
    await queue.add_callback(again)
    await broker.publish_outcome(make_outcome(task))
    await settle_all()
    assert await queue.next_callbacks(finished_at + 400, 9) == []
    assert await queue.next_callbacks(finished_at + 500, 9) == [again]


async def test_expiry_is_not_later_than_the_sweep(broker, bucket, settle_all, make_task, make_outcome) -> None:
    """I14: the image was stored long before the task finished, so its minute comes sooner."""
    task = make_task()
    stored_at = 1_700_000_000.0
    key = image_key("24h", stored_at + RETENTION_S["24h"], task.id, "a", "0.png")
    await broker.publish_outcome(make_outcome(task, keys=[key], finished_at=stored_at + 600))
    await settle_all()
    expires_at = (await bucket.manifest(task.id)).expires_at
    assert stored_at < expires_at - RETENTION_S["24h"] <= stored_at + 60


async def test_settled_outcomes_are_committed(broker, bucket, settle_all, settled, make_task, make_outcome) -> None:
    for _ in range(3):
        await broker.publish_outcome(make_outcome(make_task()))
    await settle_all()
    settled.clear()
    await settle_all()
    assert settled == []


async def test_unreadable_manifest_is_written_again(broker, bucket, settle_all, make_task, make_outcome) -> None:
    task = make_task()
    await bucket.put(f"manifests/{task.id}.json", b"")
    outcome = make_outcome(task)
    await broker.publish_outcome(outcome)
    await settle_all()
    assert (await bucket.manifest(task.id)).outcome == outcome


class SlowFirstBucket:
    """A bucket with a slow first `manifest` call."""

    def __init__(self, bucket) -> None:
        self._bucket = bucket
        self.calls = 0

    def __getattr__(self, name: str):
        return getattr(self._bucket, name)

    async def manifest(self, task_id: str, *, recent: bool = False):
        self.calls += 1
        if self.calls == 1:
            await asyncio.sleep(0.3)
        return await self._bucket.manifest(task_id)


async def test_first_in_the_log_wins_of_concurrent_outcomes(
    broker, queue, bucket, settle_all, make_task, make_outcome
) -> None:
    """I3: even if the second could be settled long before."""
    task, other = make_task(), make_task()
    first = make_outcome(task)
    for outcome in (first, make_outcome(task, Status.CANCELED), make_outcome(other), make_outcome(task)):
        await broker.publish_outcome(outcome)
    settling = asyncio.create_task(settle_all(bucket=SlowFirstBucket(bucket)))
    while await bucket.manifest(other.id) is None:
        await asyncio.sleep(0.005)
    assert await bucket.manifest(task.id) is None, "another task's does not wait for it"
    await settling
    assert (await bucket.manifest(task.id)).outcome == first
    assert (await queue.find(task.id)).status is Status.SUCCEEDED


async def test_outcomes_are_committed_in_order(
    tmp_path, broker, bucket, settle_all, make_task, make_outcome, new_fate, fated
) -> None:
    """I2"""
    tasks = [make_task() for _ in range(5)]
    for task in tasks:
        await broker.publish_outcome(make_outcome(task))

    class Stuck(SlowFirstBucket):
        async def manifest(self, task_id: str, *, recent: bool = False):
            if task_id == tasks[1].id:
                while await self._bucket.manifest(tasks[4].id) is None:
                    await asyncio.sleep(0.005)
                raise CutOffError
            return await self._bucket.manifest(task_id)

    with pytest.raises(CutOffError):
        await settle_all(bucket=Stuck(bucket))
    again = SQLiteBroker(tmp_path / "logs.sqlite")
    assert (await anext(again.outcomes()))[1].task in tasks[:2]
    await again.close()


class CutOffError(Exception):
    pass


async def test_settling_may_be_interrupted_and_repeated(
    tmp_path, broker, queue, bucket, settle_all, make_task, make_outcome, fated, new_fate
) -> None:
    """I3, I6, I16: interrupted just before and just after each call to log, queue and bucket."""
    fatal = 0
    while True:
        fatal += 1
        task = make_task(callback=Callback(url="http://example.com"))
        keys = [image_key("24h", FAR / 100, task.id, attempt, "0.png") for attempt in ("first", "second")]
        for key in keys:
            await bucket.put(key, b"png")
        first = make_outcome(task, keys=keys[:1])
        await broker.publish_outcome(first)
        await broker.publish_outcome(make_outcome(task, keys=keys[1:]))
        fate = new_fate(CutOffError(), fatal)
        services = {"broker": broker, "queue": queue, "bucket": bucket}
        mortal = {name: fated(service, fate) for name, service in services.items()}
        cut_off = False
        try:
            await settle_all(**mortal)
        except CutOffError:
            cut_off = True
        await settle_all()
        assert (await bucket.manifest(task.id)).outcome == first
        assert [await bucket.get(key) for key in keys] == [b"png", None]
        assert (await queue.find(task.id)).status is Status.SUCCEEDED
        assert await queue.next_callbacks(FAR, 9) == [DueCallback(task.id, first.finished_at)]
        await queue.drop_callback(task.id)
        assert await bucket.get(callback_key(task.id)) is not None
        assert task.id in {record.key for record in read_log(tmp_path, "usage")}
        assert await bucket.get(usage_key(usage_of(await bucket.manifest(task.id)).day, "t", task.id)) is not None
        again = SQLiteBroker(tmp_path / "logs.sqlite")
        assert (await anext(again.outcomes()))[1] is None, "all is committed"
        await again.close()
        if not cut_off:
            break
    assert fatal > 20
