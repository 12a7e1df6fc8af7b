import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from server.queue import QueueUnavailableError, Verdict, View
from server.queue.redis.queue import RedisQueue
from server.task import Status
from server.tasks.lookup import UnknownTaskError, cancel, find_record, wait_until_ended
from server.tasks.submission import Submission, submit

WISH = Submission(type="txt2img.sd", params={"text": "x"}, tenant="red")


async def test_a_record_has_a_manifest_once_the_task_has_ended(services, painter):
    task_id = (await submit(services, WISH)).task.id
    record = await find_record(services, task_id, "red")
    assert (record.view.status, record.manifest) == (Status.QUEUED, None)
    waiting = asyncio.create_task(wait_until_ended(services, record, 10))
    await painter.finish(await painter.take())
    record = await waiting
    assert record.view.status is Status.SUCCEEDED
    assert record.manifest is not None
    assert record.manifest.task.id == task_id


async def test_waiting_gives_up_in_time(services):
    record = await find_record(services, (await submit(services, WISH)).task.id, "red")
    assert (await wait_until_ended(services, record, 0.01)).view.status is Status.QUEUED


async def test_what_was_accepted_stays_so_though_the_queue_goes_away_meanwhile(services, monkeypatch):
    async def away(*_: object) -> None:
        raise QueueUnavailableError("away")

    async def watch(task_id: str) -> AsyncIterator[View]:
        monkeypatch.setattr(services.queue, "find", away)
        raise QueueUnavailableError("away")
        yield

    record = await find_record(services, (await submit(services, WISH)).task.id, "red")
    monkeypatch.setattr(services.queue, "watch", watch)
    assert await wait_until_ended(services, record, 10) == record


@pytest.mark.parametrize("task_id", ["0" * 32, "", "../manifests/x", "A" * 32, "0" * 33])
async def test_what_is_no_task_is_unknown(services, task_id):
    with pytest.raises(UnknownTaskError):
        await find_record(services, task_id, "red")


async def test_the_task_of_another_tenant_is_unknown_before_and_after_its_end(services, painter):
    record = await find_record(services, (await submit(services, WISH)).task.id, "red")
    for _ in range(2):
        with pytest.raises(UnknownTaskError):
            await find_record(services, record.view.task.id, "blue")
        if record.manifest is None:
            await painter.finish(await painter.take())
            record = await wait_until_ended(services, record, 10)


async def test_of_a_cancel_and_a_result_the_first_in_the_log_wins(services, painter):
    record = await find_record(services, (await submit(services, WISH)).task.id, "red")
    lease = await painter.take()
    canceled = await cancel(services, record, 10)
    await painter.finish(lease)
    assert canceled.view.status is Status.CANCELED
    later = await submit(services, WISH)
    await painter.finish(await painter.take())
    await wait_until_ended(services, await find_record(services, later.task.id, "red"), 10)
    assert (await find_record(services, record.view.task.id, "red")).view.status is Status.CANCELED


async def test_a_worker_is_told_of_a_cancel_before_that_is_settled(services, painter):
    record = await find_record(services, (await submit(services, WISH)).task.id, "red")
    lease = await painter.take()
    unsettled = await cancel(services, record, 0)
    assert await services.queue.heartbeat(lease, None) is Verdict.LOST
    assert unsettled.view.status is Status.RUNNING
    assert (await wait_until_ended(services, unsettled, 10)).view.status is Status.CANCELED


async def test_a_task_that_has_ended_is_not_canceled(services, painter):
    record = await find_record(services, (await submit(services, WISH)).task.id, "red")
    await painter.fail(await painter.take())
    record = await wait_until_ended(services, record, 10)
    assert await cancel(services, record, 10) is record
    assert record.view.status is Status.FAILED


async def test_a_queue_that_came_back_older_does_not_make_a_result_undone(services, painter, redis_server):
    """I1: it holds as queued, until it has read the logs, what has ended meanwhile."""
    task = (await submit(services, WISH)).task
    await painter.finish(await painter.take())
    await wait_until_ended(services, await find_record(services, task.id, "red"), 10)
    older = RedisQueue(redis_server.url)
    await older.ingest(task)
    assert (await older.find(task.id)).status is Status.QUEUED
    found = await find_record(replace(services, queue=older), task.id, "red")
    await older.close()
    assert found.view.status is Status.SUCCEEDED
