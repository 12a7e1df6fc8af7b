import os

from server.controller.queue_restore import restore_callbacks, restore_finished, restore_manifests, restore_settled
from server.queue import DueCallback
from server.storage.bucket_keys import callback_key, usage_key
from server.storage.pending_callbacks import encode_callback
from server.task import Status


async def test_callbacks_are_restored_and_broken_ones_skipped(bucket, queue) -> None:
    """I6, I16"""
    waiting = [DueCallback(f"task-{number}", 100.0 + number, tries=number) for number in range(3)]
    for due in waiting:
        await bucket.put(callback_key(due.task_id), encode_callback(due))
    await bucket.put(callback_key("broken"), b"{")
    await bucket.put("callbacks-dead/task-9.json", encode_callback(DueCallback("task-9", 0.0)))
    await restore_callbacks(bucket, queue)
    assert await queue.next_callbacks(1000.0, 9) == waiting


async def test_newest_results_are_restored(tmp_path, bucket, queue, make_task, make_manifest) -> None:
    tasks, days = [make_task() for _ in range(6)], ["01", "01", "01", "02", "03", "03"]
    for index, (task, day) in enumerate(zip(tasks, days, strict=True)):
        await bucket.put_manifest(make_manifest(task))
        await bucket.put(key := usage_key(f"2026-01-{day}", task.tenant, task.id), b"{}")
        os.utime(tmp_path / "bucket" / key, (index, index))
    await bucket.put(usage_key("2026-01-03", "t", "swept"), b"{}")
    await restore_finished(bucket, queue, count=5)
    assert [await queue.find(task.id) is not None for task in tasks] == [False, False, True, True, True, True]


async def test_only_needed_days_are_listed(bucket, queue, make_task, make_manifest) -> None:
    """I17"""
    for day in ("01", "02"):
        await bucket.put_manifest(make_manifest(task := make_task()))
        await bucket.put(usage_key(f"2026-01-{day}", task.tenant, task.id), b"{}")
    listed, as_it_is = [], bucket.pages
    bucket.pages = lambda prefix: (listed.append(prefix), as_it_is(prefix))[1]
    await restore_finished(bucket, queue, count=1)
    assert listed == ["usage/2026-01-02"]


async def test_last_result_is_restored_as_it_ended(bucket, queue, make_task, make_manifest) -> None:
    tasks = [make_task()]
    await bucket.put_manifest(make_manifest(tasks[0]))
    await bucket.put(usage_key("2026-01-03", tasks[0].tenant, tasks[0].id), b"{}")
    await restore_finished(bucket, queue)
    assert (await queue.find(tasks[0].id)).status is Status.SUCCEEDED


async def test_older_queue_does_not_run_ended_tasks_again(bucket, queue, make_task, make_manifest) -> None:
    """I1, I16: the logs have only the second task; the records of the first are committed."""
    ended, ended_and_read, waiting = [make_task() for _ in range(3)]
    for task in (ended, ended_and_read, waiting):
        await queue.ingest(task)
    for task in (ended, ended_and_read):
        await bucket.put_manifest(make_manifest(task))
    await restore_settled(bucket, queue, {ended_and_read.id}.__contains__)
    assert set(await queue.unfinished()) == {ended_and_read.id, waiting.id}
    assert (await queue.find(ended.id)).status is Status.SUCCEEDED


async def test_unsettled_outcome_is_left_to_the_settlement(broker, bucket, queue, make_task, make_outcome) -> None:
    """I6: if its manifest were there, the settlement would store no callback."""
    settled, unsettled = make_task(), make_task()
    await queue.ingest(unsettled)
    for task in (settled, unsettled):
        await broker.publish_outcome(make_outcome(task))
    assert await restore_manifests(broker, queue, bucket) == 1
    assert await bucket.manifest(unsettled.id) is None


async def test_empty_bucket_restores_nothing(bucket, queue) -> None:
    await restore_callbacks(bucket, queue)
    await restore_finished(bucket, queue)
    assert await queue.next_callbacks(1e12, 9) == []
