"""The lease rate of the Redis queue while 100,000 tasks of a thousand tenants wait.

    python -m benchmarks.queue redis://127.0.0.1:6379/0 [--tasks 100000] [--workers 4] [--pools 1] [--seconds 8]

Needs an empty Redis, and leaves it empty. Prints one table. A cycle is a lease, a heartbeat and a settlement. Each
worker has 2,000 models, of which the last one is another in each pool. Two client processes run, because Python reaches
its limit before Redis. The last row is what Redis alone could do, by its own count.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import redis
import uvloop

from server.process.event_loop import freeze_startup_objects
from server.queue import WorkerView
from server.queue.redis.queue import RedisQueue
from server.task import Manifest, Outcome, Status, Task

PROCESSES, TENANTS, MODELS, FEEDERS = 2, 1000, 7, 16
MODELS_OF_A_WORKER = 2000
VERBS_IN_A_CYCLE = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=4, help="in each process")
    parser.add_argument("--pools", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=8.0)
    arguments = parser.parse_args()
    rates = measure(arguments.url, arguments.tasks, arguments.workers, arguments.seconds, arguments.pools)
    print(f"tasks ingested a second    {rates.ingested:8.0f}")
    print(f"cycles a second            {rates.cycles:8.0f}")
    print(f"lease, median              {rates.p50_s * 1e3:8.2f} ms")
    print(f"lease, p99                 {rates.p99_s * 1e3:8.2f} ms")
    print(f"cycles a second in Redis   {rates.cycles_inside:8.0f}")


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates per second, and quantiles of the time of a lease."""

    ingested: float
    cycles: float
    cycles_inside: float
    """What Redis alone could do."""
    p50_s: float
    p99_s: float


def measure(url: str, tasks: int, workers: int, seconds: float, pools: int = 1) -> Rates:
    """Runs `workers` in each process. Exits if Redis is not empty."""
    with redis.Redis.from_url(url) as client:
        if client.dbsize():
            sys.exit(f"{url} is not empty; give a Redis, or a database of it, that is not used")
        try:
            began = time.perf_counter()
            uvloop.run(_fill(url, tasks, pools))
            ingested = tasks / (time.perf_counter() - began)
            client.config_resetstat()
            with ProcessPoolExecutor(PROCESSES) as pool:
                futures = [pool.submit(_work, url, workers, pools, seconds) for _ in range(PROCESSES)]
                leases = [seconds for future in futures for seconds in future.result()]
            inside_s = client.info("commandstats")["cmdstat_evalsha"]["usec_per_call"] * VERBS_IN_A_CYCLE / 1e6
        finally:
            client.flushdb()
    cuts = statistics.quantiles(leases, n=100)
    return Rates(ingested, len(leases) / seconds, 1 / inside_s, cuts[49], cuts[98])


def _task(number: int) -> Task:
    return Task(
        id=f"{number:032x}",
        type="txt2img.sd",
        params={"text": "a lighthouse at dusk"},
        tenant=f"tenant-{number % TENANTS}",
        created_at=float(number),
        priority=("high", "normal", "low")[number % 3],
        models=(f"model-{number % MODELS}",),
        cost=1.0 + number % 3,
    )


def _worker(number: int, pools: int) -> WorkerView:
    models = {f"model-{model}" for model in range(MODELS_OF_A_WORKER)} | {f"pool-{number % pools}"}
    return WorkerView(f"worker-{number}", "cpu", models=frozenset(models))


async def _fill(url: str, count: int, pools: int) -> None:
    queue = RedisQueue(url)
    for number in range(pools):
        await queue.announce(_worker(number, pools))
    await queue.begin()

    async def feed(first: int) -> None:
        for number in range(first, count, FEEDERS):
            await queue.ingest(_task(number))

    await asyncio.gather(*(feed(first) for first in range(FEEDERS)))
    await queue.open()
    await queue.close()


def _work(url: str, workers: int, pools: int, seconds: float) -> list[float]:
    freeze_startup_objects()
    return uvloop.run(_cycles(url, workers, pools, seconds))


async def _cycles(url: str, workers: int, pools: int, seconds: float) -> list[float]:
    """Seconds of each lease."""
    queue, until, durations = RedisQueue(url), time.perf_counter() + seconds, list[float]()

    async def work(number: int) -> None:
        worker = _worker(number, pools)
        await queue.announce(worker)
        while (began := time.perf_counter()) < until:
            lease = await queue.lease(worker.name, ("model-1", "model-2"), 1.0)
            if lease is None:
                return
            durations.append(time.perf_counter() - began)
            await queue.heartbeat(lease, None)
            outcome = Outcome(task=lease.task, attempt=lease.token, status=Status.SUCCEEDED, finished_at=time.time())
            await queue.settle(Manifest(outcome=outcome, expires_at=time.time()))

    await asyncio.gather(*(work(number) for number in range(workers)))
    await queue.close()
    return durations


if __name__ == "__main__":
    main()
