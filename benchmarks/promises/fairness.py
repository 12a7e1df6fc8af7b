"""A light tenant beside a heavy one of equal weight."""

from __future__ import annotations

import asyncio
import time

from benchmarks.promises.trial import Figure, Trial, quantile, trial

LIGHT, HEAVY = "light", "heavy"
ASKED, HUNDRED = 40, 100
STEPS = 25
"""Half a second each."""
SHARED = 400
TIMES, SHARE_ERROR = 2.0, 0.05


async def light_beside_heavy(scale: float) -> Figure:
    """Alone, the light one hands in a task when the one before has ended; then again while the heavy one has a hundred
    waiting for each of those; then both have as much as the devices can take."""
    asked, shared = max(round(ASKED * scale), 8), max(round(SHARED * scale), 80)
    async with trial(workers=3, capacity=4, tenants=(LIGHT, HEAVY)) as one:
        alone = quantile([await _one(one) for _ in range(asked)], 0.95)
        await _fill(one, HEAVY, HUNDRED * asked)
        beside = quantile([await _one(one) for _ in range(asked)], 0.95)
        waiting = sum((await one.active()).values())
        before = len(one.runs())
        await _fill(one, LIGHT, shared)
        while sum(run["text"].startswith("many light") for run in one.runs()) < shared // 2:
            await asyncio.sleep(0.2)
        served = [run["text"].split()[1] for run in one.runs()[before:] if run["text"].startswith("many")]
    first = served.index(LIGHT)
    share = served[first:].count(LIGHT) / len(served[first:])
    error = abs(share - 0.5) / 0.5
    return Figure(
        f"from submit to end p95 {1000 * alone:.0f} ms alone, {1000 * beside:.0f} ms beside {HUNDRED * asked} tasks "
        f"({waiting} left at the end): {beside / alone:.2f} ×; both waiting: {share:.1%} of {len(served[first:])} "
        f"runs, error {error:.1%}",
        beside <= TIMES * alone and error <= SHARE_ERROR,
    )


async def _one(one: Trial) -> float:
    """Seconds from handing in one task until it is seen to have ended."""
    began = time.perf_counter()
    answer = await one.submit(LIGHT, STEPS)
    while (await one.look(answer.id, LIGHT)).get("status") != "succeeded":
        await asyncio.sleep(0.02)
    return time.perf_counter() - began


async def _fill(one: Trial, tenant: str, count: int) -> None:
    few = asyncio.Semaphore(32)

    async def hand_in(number: int) -> None:
        async with few:
            await one.submit(tenant, STEPS, text=f"many {tenant} {number}")

    await asyncio.gather(*map(hand_in, range(count)))
