"""Outcomes per second that the controller settles into a bucket, and ended tasks per second that it reads.

    HUA_BUCKET=s3://… HUA_S3_ENDPOINT=… python -m benchmarks.settle [--tasks 1000] [--latency-ms 10]

Without settings the bucket is a folder. `--latency-ms` is added to every call to the bucket, because a local store
answers sooner than one in another rack. Half of the tasks have a callback. The manifests stay in the bucket.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from server.broker.sqlite.broker import SQLiteBroker
from server.controller.intake import Intake
from server.controller.settlement import Settlement
from server.queue.memory.queue import MemoryQueue
from server.services import bucket_of
from server.settings import Settings
from server.storage.bucket import Bucket
from server.task import Callback, Outcome, Status, Task


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load(data_dir=Path(folder))
        asyncio.run(_run(settings, arguments.tasks, arguments.latency_ms / 1000))


async def _run(settings: Settings, count: int, latency_s: float) -> None:
    broker = SQLiteBroker(settings.data_dir / "logs.sqlite")
    bucket: Any = SlowBucket(bucket_of(settings), latency_s)
    tasks = [_task(number) for number in range(count)]
    await asyncio.gather(*(broker.publish_task(task) for task in tasks))
    await asyncio.gather(*(broker.publish_outcome(_outcome(task)) for task in tasks))
    settling = Settlement(broker, MemoryQueue(), bucket, _on_settled)
    print(f"outcomes settled a second  {count / await _seconds(settling):8.0f}")
    print(f"tasks taken in a second    {count / await _seconds(Intake(broker, MemoryQueue(), bucket)):8.0f}")
    await broker.close()


async def _seconds(reader: Settlement | Intake) -> float:
    """Seconds until the reader has caught up."""
    began = time.perf_counter()
    work = asyncio.create_task(reader.run())
    await reader.caught_up.wait()
    duration_s = time.perf_counter() - began
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    return duration_s


class SlowBucket:
    """A bucket with added latency in each call."""

    def __init__(self, bucket: Bucket, latency_s: float) -> None:
        self._bucket = bucket
        self._latency_s = latency_s

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._bucket, name)
        assert inspect.iscoroutinefunction(method)

        async def call(*arguments: Any) -> Any:
            await asyncio.sleep(self._latency_s)
            return await method(*arguments)

        return call


def _task(number: int) -> Task:
    callback = Callback(url="http://example.com/done") if number % 2 else None
    params = {"text": "a lighthouse at dusk"}
    return Task(id=uuid.uuid4().hex, type="t", params=params, tenant="t", created_at=float(number), callback=callback)


def _outcome(task: Task) -> Outcome:
    return Outcome(task=task, attempt="a", status=Status.SUCCEEDED, finished_at=time.time())


async def _on_settled(task_id: str) -> None:
    pass


if __name__ == "__main__":
    main()
