"""The time until a task begins, and the lease rate of the queue."""

from __future__ import annotations

import asyncio
import statistics

from benchmarks import queue
from benchmarks.promises.trial import TrialResult, open_trial, quantile
from tests.support.redis_server import RedisServer

REQUESTS, WARM = 200, 10
WAITING, WORKERS, SECONDS = 100_000, 4, 8.0


async def dispatch(scale: float) -> TrialResult:
    """Runs one task after another on an idle worker; the device records when each begins."""
    count = max(round(REQUESTS * scale), 20) + WARM
    delays_ms = []
    async with open_trial(workers=1, capacity=2, step_s=0.0) as trial:
        for number in range(count):
            answer = await trial.submit(text=f"idle {number}", steps=1)
            delays_ms.append(1000 * (await trial.wait_until_begun(f"idle {number}") - answer.sent_at))
            await trial.wait_until_ended([answer.id])
    p50, p99 = statistics.median(delays_ms[WARM:]), quantile(delays_ms[WARM:], 0.99)
    return TrialResult(f"{count - WARM} tasks: p50 {p50:.1f} ms, p99 {p99:.1f} ms", p50 <= 30 and p99 <= 250)


async def scheduler(scale: float) -> TrialResult:
    """Runs `python -m benchmarks.queue`."""
    server = RedisServer()
    server.start()
    try:
        waiting = round(WAITING * scale)
        rates = await asyncio.to_thread(queue.measure, server.url, waiting, WORKERS, SECONDS * min(scale, 1))
    finally:
        server.stop()
    return TrialResult(
        f"{waiting} of {queue.TENANTS} tenants waiting: {rates.cycles:.0f} a second by two clients on the same "
        f"cores as Redis, lease p99 {1000 * rates.p99_s:.1f} ms; in Redis alone {rates.cycles_inside:.0f} a second",
        rates.cycles >= 2000 and rates.p99_s <= 0.005,
    )
