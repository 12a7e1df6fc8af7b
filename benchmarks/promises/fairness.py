"""A light and a heavy tenant of equal weight."""

from __future__ import annotations

import asyncio
import time

from benchmarks.promises.trial import Trial, TrialResult, open_trial, quantile

LIGHT, HEAVY = "light", "heavy"
REQUESTS, HEAVY_FACTOR = 40, 100
STEPS = 25
"""Half a second for each task."""
SHARED = 400
TIMES, SHARE_ERROR = 2.0, 0.05


async def light_beside_heavy(scale: float) -> TrialResult:
    """Measures the light tenant alone, with one task after another, and again while the heavy tenant has a hundred
    times as many waiting. Then both tenants have more tasks than the devices can run."""
    count, shared = max(round(REQUESTS * scale), 8), max(round(SHARED * scale), 80)
    async with open_trial(workers=3, capacity=4, tenants=(LIGHT, HEAVY)) as trial:
        alone = quantile([await _time_one(trial) for _ in range(count)], 0.95)
        await _fill(trial, HEAVY, HEAVY_FACTOR * count)
        contended = quantile([await _time_one(trial) for _ in range(count)], 0.95)
        waiting = sum((await trial.active_slots()).values())
        before = len(trial.runs())
        await _fill(trial, LIGHT, shared)
        while sum(run["text"].startswith("many light") for run in trial.runs()) < shared // 2:
            await asyncio.sleep(0.2)
        served = [run["text"].split()[1] for run in trial.runs()[before:] if run["text"].startswith("many")]
    first = served.index(LIGHT)
    fraction = served[first:].count(LIGHT) / len(served[first:])
    error = abs(fraction - 0.5) / 0.5
    return TrialResult(
        f"from submit to end p95 {1000 * alone:.0f} ms alone, {1000 * contended:.0f} ms with {HEAVY_FACTOR * count} "
        f"heavy tasks ({waiting} left at the end): {contended / alone:.2f} ×; both waiting: {fraction:.1%} of "
        f"{len(served[first:])} runs, error {error:.1%}",
        contended <= TIMES * alone and error <= SHARE_ERROR,
    )


async def _time_one(trial: Trial) -> float:
    """Seconds from the submission of one task until the client sees its end."""
    began = time.perf_counter()
    answer = await trial.submit(LIGHT, STEPS)
    while (await trial.fetch_view(answer.id, LIGHT)).get("status") != "succeeded":
        await asyncio.sleep(0.02)
    return time.perf_counter() - began


async def _fill(trial: Trial, tenant: str, count: int) -> None:
    semaphore = asyncio.Semaphore(32)

    async def submit(number: int) -> None:
        async with semaphore:
            await trial.submit(tenant, STEPS, text=f"many {tenant} {number}")

    await asyncio.gather(*map(submit, range(count)))
