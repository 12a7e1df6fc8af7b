"""How long the logs in Kafka take to accept a task, how many a second, and how soon a reader hears of one.

    python -m benchmarks.broker kafka://127.0.0.1:9092 [--tasks 5000] [--together 64]

Writes to two topics with a prefix of their own, and deletes them. Prints one table.
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
    parser.add_argument("--together", type=int, default=64, help="how many publish at once")
    given = parser.parse_args()
    url = urlsplit(given.url)._replace(path=f"/benchmark-{uuid.uuid4().hex}.").geturl()
    cluster = Cluster.at(url)
    try:
        asyncio.run(_measure(url, given.tasks, given.together))
    finally:
        admin = KafkaAdminClient(**cluster.options)
        admin.delete_topics([cluster.tasks, cluster.outcomes])
        admin.close()


def _task(number: int) -> Task:
    params = {"text": "a lighthouse at dusk", "w": 512, "h": 512, "num_steps": 20, "seed": number}
    return Task(id=uuid.uuid4().hex, type="txt2img.sd", params=params, tenant="t", created_at=time.time())


async def _measure(url: str, count: int, together: int) -> None:
    broker = KafkaBroker(url)
    await broker.publish_task(_task(0))
    idle = await _one_by_one(broker)
    began = time.perf_counter()
    crowd = await _crowd(broker, count, together)
    a_second = count / (time.perf_counter() - began)
    began = time.perf_counter()
    async for _, task in broker.tasks():
        if task is None:
            break
    read = (1 + ONE_BY_ONE + count) / (time.perf_counter() - began)
    commits = await _commits(broker)
    await broker.close()
    print(f"publish, alone, p50 / p95            {_shown(idle[0])}")
    print(f"from publishing until read, p50 / p95 {_shown(idle[1])}")
    print(f"publish, {together} at once, p50 / p95      {_shown(crowd)}")
    print(f"published a second                   {a_second:8.0f}")
    print(f"read a second, from the beginning    {read:8.0f}")
    print(f"commit, alone, p50 / p95             {_shown(commits)}")


async def _one_by_one(broker: KafkaBroker) -> tuple[list[float], list[float]]:
    """How long each publish took, and how long after its beginning the record was read, in seconds."""
    heard: asyncio.Queue[str | None] = asyncio.Queue()

    async def listen() -> None:
        async for _, task in broker.tasks():
            heard.put_nowait(task and task.id)

    listening = asyncio.create_task(listen())
    while await heard.get() is not None:
        pass
    published, read = list[float](), list[float]()
    for number in range(ONE_BY_ONE):
        task, began = _task(number), time.perf_counter()
        await broker.publish_task(task)
        published.append(time.perf_counter() - began)
        while await heard.get() != task.id:
            pass
        read.append(time.perf_counter() - began)
        await asyncio.sleep(PAUSE_S)
    listening.cancel()
    return published, read


async def _crowd(broker: KafkaBroker, count: int, together: int) -> list[float]:
    took, numbers = list[float](), iter(range(count))

    async def publish() -> None:
        for number in numbers:
            task, began = _task(number), time.perf_counter()
            await broker.publish_task(task)
            took.append(time.perf_counter() - began)

    await asyncio.gather(*(publish() for _ in range(together)))
    return took


async def _commits(broker: KafkaBroker) -> list[float]:
    took = list[float]()
    async for position, task in broker.tasks():
        if task is None or len(took) == ONE_BY_ONE:
            return took
        began = time.perf_counter()
        await broker.commit_tasks(position)
        took.append(time.perf_counter() - began)
    return took


def _shown(took: list[float]) -> str:
    cuts = statistics.quantiles(took, n=20)
    return f"{cuts[9] * 1e3:8.1f} / {cuts[18] * 1e3:.1f} ms"


if __name__ == "__main__":
    main()
