"""How soon a task begins, and how fast the queue hands out work."""

from __future__ import annotations

import asyncio
import statistics

from benchmarks import queue
from benchmarks.promises.trial import Figure, quantile, trial
from tests.support.redis_server import RedisServer

ASKED, WARM = 200, 10
WAITING, WORKERS, SECONDS = 100_000, 4, 8.0


async def dispatch(scale: float) -> Figure:
    """One task after another, each when the worker has been idle; the device writes down when it begins."""
    asked = max(round(ASKED * scale), 20) + WARM
    took = []
    async with trial(workers=1, capacity=2, step_s=0.0) as one:
        for number in range(asked):
            answer = await one.submit(text=f"idle {number}", steps=1)
            took.append(1000 * (await one.begun(f"idle {number}") - answer.sent_at))
            await one.ended([answer.id])
    p50, p99 = statistics.median(took[WARM:]), quantile(took[WARM:], 0.99)
    return Figure(f"{asked - WARM} tasks: p50 {p50:.1f} ms, p99 {p99:.1f} ms", p50 <= 30 and p99 <= 250)


async def scheduler(scale: float) -> Figure:
    """As `python -m benchmarks.queue` does."""
    server = RedisServer()
    server.start()
    try:
        waiting = round(WAITING * scale)
        rates = await asyncio.to_thread(queue.measured, server.url, waiting, WORKERS, SECONDS * min(scale, 1))
    finally:
        server.stop()
    return Figure(
        f"{waiting} of {queue.TENANTS} tenants waiting: {rates.cycles:.0f} a second by two clients beside Redis on its "
        f"cores, lease p99 {1000 * rates.p99_s:.1f} ms; in Redis alone {rates.cycles_inside:.0f} a second",
        rates.cycles >= 2000 and rates.p99_s <= 0.005,
    )
