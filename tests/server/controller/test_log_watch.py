"""Logs or a bucket that are lost while the server is down."""

import asyncio
import contextlib
import shutil

from server.broker.sqlite.broker import SQLiteBroker
from server.controller.log_replay import LogReplay
from server.controller.log_watch import LogWatch
from server.queue.memory.queue import MemoryQueue
from server.storage.bucket_keys import KNOWN_LOG
from server.storage.known_log import KnownLog, read_known_log

NOW = 1_800_000_000.0


@contextlib.asynccontextmanager
async def replayed(broker, queue, bucket):
    """A controller that has read the logs and goes on reading."""
    replay = asyncio.create_task(LogReplay(broker, queue, bucket, lambda: NOW).run())
    while not await queue.complete() or await read_known_log(bucket) is None:
        await asyncio.sleep(0.005)
    yield
    replay.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await replay


async def test_new_bucket_names_its_logs_before_the_queue_opens(broker, queue, bucket) -> None:
    """Otherwise an unknown task would be answered with 503 for a moment after the first start."""
    watch = LogWatch(broker, queue, bucket)
    await watch.name_new_logs()
    assert await read_known_log(bucket) == KnownLog(id=await broker.log_id())
    assert not await watch.logs_are_lost()


async def test_damaged_id_of_the_logs_is_written_again(broker, queue, bucket) -> None:
    await bucket.put(KNOWN_LOG, b"{")
    async with replayed(broker, queue, bucket):
        assert await read_known_log(bucket) == KnownLog(id=await broker.log_id())


async def test_loss_of_the_logs_is_logged_and_tasks_of_the_queue_are_published_again(
    broker, queue, bucket, make_task, make_outcome, tmp_path, caplog
) -> None:
    """I1: Redis survived the log's disk. Without a record, the waiting task would end with the next flush of Redis."""
    ended, waiting = make_task(), make_task()
    async with replayed(broker, queue, bucket):
        for task in (ended, waiting):
            await broker.publish_task(task)
        await broker.publish_outcome(make_outcome(ended))
        while await bucket.manifest(ended.id) is None or await queue.find(waiting.id) is None:
            await asyncio.sleep(0.005)
    await broker.close()
    for file in tmp_path.glob("logs.sqlite*"):
        file.unlink()
    emptied = SQLiteBroker(tmp_path / "logs.sqlite")
    async with replayed(emptied, queue, bucket):
        while not (known := await read_known_log(bucket)).has_lost_tasks(NOW):
            await asyncio.sleep(0.005)
        assert known == KnownLog(id=await emptied.log_id(), lost_at=NOW)
        assert "1 unfinished tasks were in the queue" in caplog.text
    assert [task.id for task in await unread(emptied.tasks())] == [waiting.id]
    await emptied.close()


async def unread(log) -> list:
    """The records of a log that are not committed."""
    found = []
    async with contextlib.aclosing(log):
        async for _, record in log:
            if record is None:
                break
            found.append(record)
    return found


async def test_emptied_bucket_gets_its_manifests_back_from_the_log(
    broker, queue, bucket, make_task, make_outcome, tmp_path, caplog
) -> None:
    """I3: all outcomes were committed, so no reader looks at them again."""
    task = make_task()
    first, late = make_outcome(task), make_outcome(task)
    async with replayed(broker, queue, bucket):
        await broker.publish_task(task)
        for outcome in (first, late):
            await broker.publish_outcome(outcome)
        while (manifest := await bucket.manifest(task.id)) is None or await unread(broker.outcomes()):
            await asyncio.sleep(0.005)
    shutil.rmtree(tmp_path / "bucket")
    async with replayed(broker, MemoryQueue(), bucket):
        assert await bucket.manifest(task.id) == manifest
    assert manifest.outcome == first
    assert "lacked 1 manifests" in caplog.text


async def test_logs_that_are_replaced_while_they_are_read_end_the_watch(broker, queue, bucket, tmp_path) -> None:
    await LogWatch(broker, queue, bucket).name_new_logs()
    other = SQLiteBroker(tmp_path / "other.sqlite")
    async with asyncio.timeout(10):
        await LogWatch(other, queue, bucket).run_until_lost()
    await other.close()
