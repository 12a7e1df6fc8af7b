"""From submitting a task to its start on an idle worker, through the real `hua api` and `hua controller`.

    python -m benchmarks.dispatch [kafka://127.0.0.1:9092 redis://127.0.0.1:6379/0] [--requests 200]

Without addresses it brings up a Kafka and a Redis as the tests do. The worker is this process: it leases as a worker
does and ends each task at once, without a picture. Prints one table of milliseconds: the POST alone, and from its
beginning until the lease is here.
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
WARM = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kafka", nargs="?")
    parser.add_argument("redis", nargs="?")
    parser.add_argument("--requests", type=int, default=200)
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kafka, redis = given.kafka, given.redis
        if redis is None:
            kafka, redis = stack.enter_context(servers(folder))
        kafka = f"{kafka.rstrip('/')}/benchmark-{uuid.uuid4().hex}."
        running = stack.enter_context(roles(folder, kafka, redis))
        samples = asyncio.run(_measure(f"http://127.0.0.1:{running.port}", kafka, redis, given.requests + WARM))[WARM:]
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
            waiting = asyncio.create_task(_leased(queue))
            await asyncio.sleep(PAUSE_S)  # the worker is idle for a while
            began = time.perf_counter()
            (await http.post("/v1/tasks", json=BODY)).raise_for_status()
            answered = time.perf_counter()
            lease, leased = await waiting
            samples.append((answered - began, leased - began))
            outcome = Outcome(task=lease.task, attempt=lease.token, status=Status.SUCCEEDED, finished_at=time.time())
            await broker.publish_outcome(outcome)
            await queue.finishing(lease)
    await queue.close()
    await broker.close()
    return samples


async def _leased(queue: RedisQueue) -> tuple[Lease, float]:
    while True:
        if lease := await queue.lease("benchmark", ("toy",), 5.0):
            return lease, time.perf_counter()


if __name__ == "__main__":
    main()
