import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from server.queue import QueueIncompleteError, QueueUnavailableError, Verdict, View
from server.queue.memory.queue import MemoryQueue
from server.queue.redis.queue import RedisQueue
from server.storage.bucket_keys import KNOWN_LOG, manifest_key
from server.storage.known_log import RESULT_KEPT_S, KnownLog, save_known_log
from server.task import Status
from server.tasks.lookup import LostTaskError, TaskRecord, UnknownTaskError, cancel, find_record, wait_until_ended
from server.tasks.submission import Submission, submit

REQUEST = Submission(type="txt2img.sd", params={"text": "x"}, tenant="red")


async def test_record_has_a_manifest_after_the_task_ended(services, painter):
    task_id = (await submit(services, REQUEST)).task.id
    record = await find_record(services, task_id, "red")
    assert (record.view.status, record.manifest) == (Status.QUEUED, None)
    waiting = asyncio.create_task(wait_until_ended(services, record, 10))
    await painter.finish(await painter.take())
    record = await waiting
    assert record.view.status is Status.SUCCEEDED
    assert record.manifest is not None
    assert record.manifest.task.id == task_id


async def test_wait_until_ended_returns_after_the_timeout(services):
    record = await find_record(services, (await submit(services, REQUEST)).task.id, "red")
    assert (await wait_until_ended(services, record, 0.01)).view.status is Status.QUEUED


async def test_wait_until_ended_survives_an_unavailable_queue(services, monkeypatch):
    async def away(*_: object) -> None:
        raise QueueUnavailableError("away")

    async def watch(task_id: str) -> AsyncIterator[View]:
        monkeypatch.setattr(services.queue, "find", away)
        raise QueueUnavailableError("away")
        yield

    record = await find_record(services, (await submit(services, REQUEST)).task.id, "red")
    monkeypatch.setattr(services.queue, "watch", watch)
    assert await wait_until_ended(services, record, 10) == record


@pytest.mark.parametrize("task_id", ["0" * 32, "", "../manifests/x", "A" * 32, "0" * 33])
async def test_find_record_refuses_unknown_ids(services, task_id):
    with pytest.raises(UnknownTaskError):
        await find_record(services, task_id, "red")


async def test_task_of_another_tenant_is_unknown(services, painter):
    record = await find_record(services, (await submit(services, REQUEST)).task.id, "red")
    for _ in range(2):
        with pytest.raises(UnknownTaskError):
            await find_record(services, record.view.task.id, "blue")
        if record.manifest is None:
            await painter.finish(await painter.take())
            record = await wait_until_ended(services, record, 10)


async def test_first_outcome_in_the_log_wins_over_cancel(services, painter):
    record = await find_record(services, (await submit(services, REQUEST)).task.id, "red")
    lease = await painter.take()
    canceled = await cancel(services, record, 10)
    await painter.finish(lease)
    assert canceled.view.status is Status.CANCELED
    later = await submit(services, REQUEST)
    await painter.finish(await painter.take())
    await wait_until_ended(services, await find_record(services, later.task.id, "red"), 10)
    assert (await find_record(services, record.view.task.id, "red")).view.status is Status.CANCELED


async def test_cancel_stops_the_worker_before_it_is_settled(services, painter):
    record = await find_record(services, (await submit(services, REQUEST)).task.id, "red")
    lease = await painter.take()
    unsettled = await cancel(services, record, 0)
    assert await services.queue.heartbeat(lease, None) is Verdict.LOST
    assert unsettled.view.status is Status.RUNNING
    assert (await wait_until_ended(services, unsettled, 10)).view.status is Status.CANCELED


async def test_cancel_ignores_an_ended_task(services, painter):
    record = await find_record(services, (await submit(services, REQUEST)).task.id, "red")
    await painter.fail(await painter.take())
    record = await wait_until_ended(services, record, 10)
    assert await cancel(services, record, 10) is record
    assert record.view.status is Status.FAILED


async def ended_task(services, painter) -> TaskRecord:
    task_id = (await submit(services, REQUEST)).task.id
    await painter.finish(await painter.take())
    return await wait_until_ended(services, await find_record(services, task_id, "red"), 10)


@pytest.mark.parametrize("queue_remembers", [True, False])
async def test_task_with_a_damaged_manifest_is_known_by_its_outcome_in_the_log(services, painter, queue_remembers):
    record = await ended_task(services, painter)
    task_id = record.view.task.id
    await services.bucket.put(manifest_key(task_id), b'{"outcome": {"task"')
    if not queue_remembers:
        services = replace(services, queue=MemoryQueue())
    assert (await find_record(services, task_id, "red")).manifest == record.manifest
    assert await services.bucket.manifest(task_id) == record.manifest, "the bucket has it again"


async def test_task_with_a_deleted_manifest_is_known_by_its_outcome_in_the_log(services, painter):
    record = await ended_task(services, painter)
    await services.bucket.delete([manifest_key(record.view.task.id)])
    assert (await find_record(services, record.view.task.id, "red")).manifest == record.manifest


async def test_result_that_neither_bucket_nor_log_has_is_lost_not_unknown(services):
    await services.bucket.put(manifest_key("1" * 32), b"{")
    with pytest.raises(LostTaskError, match="its result is damaged"):
        await find_record(services, "1" * 32, "red")


async def test_task_that_may_have_been_in_lost_logs_is_lost_not_unknown(services):
    lost_at = services.clock() - 60
    await save_known_log(services.bucket, KnownLog(id="other", lost_at=lost_at))
    with pytest.raises(LostTaskError, match="the server's logs were lost"):
        await find_record(services, "1" * 32, "red")
    await save_known_log(services.bucket, KnownLog(id="other", lost_at=lost_at - RESULT_KEPT_S))
    with pytest.raises(UnknownTaskError) as unknown:
        await find_record(services, "1" * 32, "red")
    assert not isinstance(unknown.value, LostTaskError)


async def test_lost_task_is_accepted_again_with_its_idempotency_key(services):
    await save_known_log(services.bucket, KnownLog(id="other", lost_at=services.clock()))
    assert (await submit(services, replace(REQUEST, idempotency_key="k"))).status is Status.QUEUED


async def test_unknown_task_waits_while_the_bucket_is_restored(services):
    """The controller writes the record of the log again when it misses it, which may be at once."""
    waits = False
    while not waits:
        await services.bucket.delete([KNOWN_LOG])
        try:
            await find_record(services, "1" * 32, "red")
        except QueueIncompleteError:
            waits = True
        except UnknownTaskError:
            await asyncio.sleep(0)


async def test_manifest_wins_over_a_stale_queue_view(services, painter, redis_server):
    """I1: until it has read the logs, a restored queue shows ended tasks as queued."""
    task = (await submit(services, REQUEST)).task
    await painter.finish(await painter.take())
    await wait_until_ended(services, await find_record(services, task.id, "red"), 10)
    older = RedisQueue(redis_server.url)
    await older.ingest(task)
    assert (await older.find(task.id)).status is Status.QUEUED
    found = await find_record(replace(services, queue=older), task.id, "red")
    await older.close()
    assert found.view.status is Status.SUCCEEDED
