"""Measures the Kafka logs: the time to accept a task, tasks per second, and the time until a reader receives one.

    python -m benchmarks.broker kafka://127.0.0.1:9092 [--tasks 5000] [--together 64]

Writes to two topics with their own prefix, and deletes them. Prints one table.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
import uuid
from urllib.parse import urlsplit

from kafka import KafkaAdminClient

from server.broker.kafka.broker import KafkaBroker
from server.broker.kafka.cluster import Cluster
from server.task import Task

ONE_BY_ONE, PAUSE_S = 300, 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--tasks", type=int, default=5000)
    parser.add_argument("--together", dest="concurrency", type=int, default=64, help="tasks published at once")
    arguments = parser.parse_args()
    url = urlsplit(arguments.url)._replace(path=f"/benchmark-{uuid.uuid4().hex}.").geturl()
    cluster = Cluster.at(url)
    try:
        asyncio.run(_measure(url, arguments.tasks, arguments.concurrency))
    finally:
        admin = KafkaAdminClient(**cluster.options)
        admin.delete_topics([cluster.tasks, cluster.outcomes])
        admin.close()


def _task(number: int) -> Task:
    params = {"text": "a lighthouse at dusk", "w": 512, "h": 512, "num_steps": 20, "seed": number}
    return Task(id=uuid.uuid4().hex, type="txt2img.sd", params=params, tenant="t", created_at=time.time())


async def _measure(url: str, count: int, concurrency: int) -> None:
    broker = KafkaBroker(url)
    await broker.publish_task(_task(0))
    alone = await _one_by_one(broker)
    began = time.perf_counter()
    concurrent = await _concurrently(broker, count, concurrency)
    rate = count / (time.perf_counter() - began)
    began = time.perf_counter()
    async for _, task in broker.tasks():
        if task is None:
            break
    read = (1 + ONE_BY_ONE + count) / (time.perf_counter() - began)
    commits = await _commits(broker)
    await broker.close()
    print(f"publish, alone, p50 / p95            {_milliseconds(alone[0])}")
    print(f"from publishing until read, p50 / p95 {_milliseconds(alone[1])}")
    print(f"publish, {concurrency} at once, p50 / p95      {_milliseconds(concurrent)}")
    print(f"published a second                   {rate:8.0f}")
    print(f"read a second, from the beginning    {read:8.0f}")
    print(f"commit, alone, p50 / p95             {_milliseconds(commits)}")


async def _one_by_one(broker: KafkaBroker) -> tuple[list[float], list[float]]:
    """Seconds of each publish, and from its beginning until the record was read."""
    received: asyncio.Queue[str | None] = asyncio.Queue()

    async def listen() -> None:
        async for _, task in broker.tasks():
            received.put_nowait(task.id if task else None)

    listener = asyncio.create_task(listen())
    while await received.get() is not None:
        pass
    published, read = list[float](), list[float]()
    for number in range(ONE_BY_ONE):
        task, began = _task(number), time.perf_counter()
        await broker.publish_task(task)
        published.append(time.perf_counter() - began)
        while await received.get() != task.id:
            pass
        read.append(time.perf_counter() - began)
        await asyncio.sleep(PAUSE_S)
    listener.cancel()
    return published, read


async def _concurrently(broker: KafkaBroker, count: int, concurrency: int) -> list[float]:
    durations, numbers = list[float](), iter(range(count))

    async def publish() -> None:
        for number in numbers:
            task, began = _task(number), time.perf_counter()
            await broker.publish_task(task)
            durations.append(time.perf_counter() - began)

    await asyncio.gather(*(publish() for _ in range(concurrency)))
    return durations


async def _commits(broker: KafkaBroker) -> list[float]:
    durations = list[float]()
    async for position, task in broker.tasks():
        if task is None or len(durations) == ONE_BY_ONE:
            return durations
        began = time.perf_counter()
        await broker.commit_tasks(position)
        durations.append(time.perf_counter() - began)
    return durations


def _milliseconds(durations: list[float]) -> str:
    cuts = statistics.quantiles(durations, n=20)
    return f"{cuts[9] * 1e3:8.1f} / {cuts[18] * 1e3:.1f} ms"


if __name__ == "__main__":
    main()
