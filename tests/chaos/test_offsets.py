"""A commit without a manifest is noticed during the run."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

from server.broker.sqlite.broker import SQLiteBroker
from server.storage.bucket import Bucket
from server.task import Manifest, Outcome, Status, Task
from tests.chaos.history import History
from tests.chaos.offsets import SQLiteLog, watch_offsets
from tests.support.clock import NOW


async def test_watch_offsets_reports_commit_before_settlement(tmp_path: Path) -> None:
    broker, bucket, history = SQLiteBroker(tmp_path / "logs.sqlite"), Bucket.folder(tmp_path / "bucket"), History([], 9)
    tasks = [Task(id=f"{n:032x}", type="txt2img.sd", params={}, tenant="t", created_at=NOW) for n in range(3)]
    for task in tasks:
        await broker.publish_task(task)
    settled = Outcome(task=tasks[0], attempt="a", status=Status.SUCCEEDED, finished_at=NOW)
    await bucket.put_manifest(Manifest(outcome=settled, expires_at=NOW))
    over = asyncio.Event()
    watching = asyncio.create_task(watch_offsets(SQLiteLog(tmp_path / "logs.sqlite"), bucket, history, over))
    places = broker.tasks()
    assert isinstance(places, AsyncGenerator)
    for task in tasks[:2]:  # the third is neither settled nor committed
        position, read = await anext(places)
        assert read == task
        await broker.commit_tasks(position)
    async with asyncio.timeout(60):
        while not history.events:
            await asyncio.sleep(0.01)
    over.set()
    await watching
    assert [(event.kind, event.details["id"]) for event in history.events] == [("premature", tasks[1].id)]
    await places.aclose()
    await broker.close()
