"""The time from a task's POST to its start on an idle worker, through the real `hua api` and `hua controller`.

    python -m benchmarks.dispatch [kafka://127.0.0.1:9092 redis://127.0.0.1:6379/0] [--requests 200]

Without addresses it starts a Kafka and a Redis as the tests do. This process is the worker: it leases like a worker and
ends each task at once, without an image. Prints one table of milliseconds: the POST alone, and from its beginning until
the lease.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
import uuid
from pathlib import Path

import httpx

from benchmarks.cluster import BODY, roles, servers
from server.broker.kafka.broker import KafkaBroker
from server.queue import Lease
from server.queue.redis.queue import RedisQueue
from server.task import Outcome, Status

PAUSE_S = 0.05
WARM_UPS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kafka", nargs="?")
    parser.add_argument("redis", nargs="?")
    parser.add_argument("--requests", type=int, default=200)
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kafka, redis = arguments.kafka, arguments.redis
        if redis is None:
            kafka, redis = stack.enter_context(servers(folder))
        kafka = f"{kafka.rstrip('/')}/benchmark-{uuid.uuid4().hex}."
        running = stack.enter_context(roles(folder, kafka, redis))
        samples = asyncio.run(
            _measure(f"http://127.0.0.1:{running.port}", kafka, redis, arguments.requests + WARM_UPS)
        )[WARM_UPS:]
    print("| ms | p50 | p95 | p99 |\n|---|---|---|---|")
    for name, values in zip(("POST answered", "leased"), zip(*samples, strict=True), strict=True):
        cuts = statistics.quantiles((1000 * value for value in values), n=100)
        print(f"| {name} | {cuts[49]:.1f} | {cuts[94]:.1f} | {cuts[98]:.1f} |")


async def _measure(url: str, kafka: str, redis: str, requests: int) -> list[tuple[float, float]]:
    """Seconds of the POST, and from its beginning to the lease."""
    queue, broker = RedisQueue(redis), KafkaBroker(kafka)
    samples = []
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as http:
        for _ in range(requests):
            lease_task = asyncio.create_task(_wait_for_lease(queue))
            await asyncio.sleep(PAUSE_S)  # the worker is idle first
            began = time.perf_counter()
            (await http.post("/v1/tasks", json=BODY)).raise_for_status()
            answered = time.perf_counter()
            lease, leased = await lease_task
            samples.append((answered - began, leased - began))
            outcome = Outcome(task=lease.task, attempt=lease.token, status=Status.SUCCEEDED, finished_at=time.time())
            await broker.publish_outcome(outcome)
            await queue.finishing(lease)
    await queue.close()
    await broker.close()
    return samples


async def _wait_for_lease(queue: RedisQueue) -> tuple[Lease, float]:
    while True:
        if lease := await queue.lease("benchmark", ("toy",), 5.0):
            return lease, time.perf_counter()


if __name__ == "__main__":
    main()
