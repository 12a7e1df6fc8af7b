"""How many tasks a tenant may have, and one task for one Idempotency-Key, however many ask at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

from benchmarks.promises.trial import Answer, Figure, Trial, accepted, trial
from server.queue import TaskLimitError

LIMIT, TENANTS, EACH = 4, 50, 10
TOGETHER = 100
STEPS_UNTIL_ALL_ASKED, STEP_S = 100, 0.4
"""Together 40 s: longer than it takes to answer all."""
PASSER_BY = "passer-by"
SETTLED_S = 120.0
API_KILLS = 3


async def bound(scale: float) -> Figure:
    """500 at once of 50 tenants that may have four; then again while the api is killed and Redis is emptied."""
    tenants = [f"tenant-{number}" for number in range(max(round(TENANTS * scale), 2))]
    async with trial(tenants=[*tenants, PASSER_BY], limit=LIMIT, capacity=64, step_s=STEP_S) as one:
        watching = asyncio.create_task(_most(one))
        together = [one.submit(tenant, STEPS_UNTIL_ALL_ASKED) for tenant in tenants for _ in range(EACH)]
        answers = await asyncio.gather(*together)
        codes = Counter(answer.code or str(answer.status) for answer in answers)
        await _none_active(one)
        storm = await _storm(one, tenants)
        watching.cancel()
        most = await watching
        again = await asyncio.gather(*(one.submit(tenant) for tenant in tenants for _ in range(LIMIT)))
        leaked = len(again) - len(accepted(again))
    refused, due = codes[str(TaskLimitError.code)], len(answers) - LIMIT * len(tenants)
    return Figure(
        f"{len(answers)} at once: {codes['202']} accepted, {refused} × 7001 (exact: {due}); most slots of a tenant "
        f"{most}; after {storm} more with {API_KILLS} kills of the api and a FLUSHALL {leaked} slots leaked",
        refused == due and codes["202"] == LIMIT * len(tenants) and most <= LIMIT and not leaked,
    )


async def _most(one: Trial) -> int:
    """The most slots that any tenant was seen to hold, until canceled."""
    most = 0
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            most = max([most, *(await one.active()).values()])
            await asyncio.sleep(0.1)
    return most


async def _storm(one: Trial, tenants: list[str]) -> int:
    """Submissions under faults that may leave a slot behind; returns how many when all slots should be free."""
    asking = asyncio.gather(*(one.submit(tenant, 2) for _ in range(EACH) for tenant in tenants))
    for _ in range(API_KILLS):
        await asyncio.sleep(0.3)
        one.deployment.kill("api")
        one.deployment.begin("api")
    await asyncio.sleep(1)
    one.deployment.redis.flush()
    answers: list[Answer] = await asking
    await one.opened()
    await _none_active(one)
    return len(answers)


async def _none_active(one: Trial) -> None:
    """Until every task has ended, and every slot of one that was never published is free again."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLED_S):
            while any(count for tenant, count in (await one.active()).items() if tenant != PASSER_BY):
                await asyncio.sleep(0.5)
                await one.submit(PASSER_BY, 1)  # slots of an api that died are looked at when somebody comes


async def idempotent(scale: float) -> Figure:
    """The same key 100 times at once, then again after Redis was emptied, at once and when it is open again."""
    together = max(round(TOGETHER * scale), 10)
    async with trial() as one:

        async def ask() -> list[Answer]:
            return list(await asyncio.gather(*(one.submit(key="one", text="one") for _ in range(together))))

        answers = await ask()
        await one.ended(accepted(answers))
        one.deployment.redis.flush()
        answers += await ask()
        await asyncio.sleep(8)
        answers += await ask()
        ids = set(accepted(answers))
        await one.ended(ids)
        runs = len(one.runs())
    refused = Counter(answer.code for answer in answers if answer.status not in {200, 202})
    return Figure(
        f"3 × {together} at once with one key, Redis emptied between: {len(ids)} task, {runs} run; refused: "
        f"{dict(refused) or 'none'}",
        len(ids) == 1 and runs == 1,
    )
