"""The task limit of a tenant, and one task for one Idempotency-Key, under concurrent requests."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

from benchmarks.promises.trial import Answer, Trial, TrialResult, accepted_ids, open_trial
from server.queue import TaskLimitError

LIMIT, TENANTS, EACH = 4, 50, 10
TOGETHER = 100
STEPS_OF_A_TASK, STEP_S = 100, 0.4
"""40 s in all, so that no task ends before all requests are answered."""
OTHER_TENANT = "other"
SETTLED_S = 120.0
API_KILLS = 3


async def task_limit(scale: float) -> TrialResult:
    """Submits 500 tasks at once for 50 tenants with a limit of four; again under kills of the api and a FLUSHALL."""
    tenants = [f"tenant-{number}" for number in range(max(round(TENANTS * scale), 2))]
    async with open_trial(tenants=[*tenants, OTHER_TENANT], limit=LIMIT, capacity=64, step_s=STEP_S) as trial:
        watcher = asyncio.create_task(_max_slots(trial))
        submissions = [trial.submit(tenant, STEPS_OF_A_TASK) for tenant in tenants for _ in range(EACH)]
        answers = await asyncio.gather(*submissions)
        codes = Counter(answer.code or str(answer.status) for answer in answers)
        await _wait_until_no_slots(trial)
        storm = await _storm(trial, tenants)
        watcher.cancel()
        most = await watcher
        again = await asyncio.gather(*(trial.submit(tenant) for tenant in tenants for _ in range(LIMIT)))
        leaked = len(again) - len(accepted_ids(again))
    refused, due = codes[str(TaskLimitError.code)], len(answers) - LIMIT * len(tenants)
    return TrialResult(
        f"{len(answers)} at once: {codes['202']} accepted, {refused} × 7001 (exact: {due}); most slots of a tenant "
        f"{most}; after {storm} more with {API_KILLS} kills of the api and a FLUSHALL {leaked} slots leaked",
        refused == due and codes["202"] == LIMIT * len(tenants) and most <= LIMIT and not leaked,
    )


async def _max_slots(trial: Trial) -> int:
    """The largest number of slots of one tenant, sampled until canceled."""
    most = 0
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            most = max([most, *(await trial.active_slots()).values()])
            await asyncio.sleep(0.1)
    return most


async def _storm(trial: Trial, tenants: list[str]) -> int:
    """Submits under faults that may leak slots; returns the number of submissions when all slots should be free."""
    submissions = asyncio.gather(*(trial.submit(tenant, 2) for _ in range(EACH) for tenant in tenants))
    for _ in range(API_KILLS):
        await asyncio.sleep(0.3)
        trial.deployment.kill("api")
        trial.deployment.begin("api")
    await asyncio.sleep(1)
    trial.deployment.redis.flush()
    answers: list[Answer] = await submissions
    await trial.wait_until_open()
    await _wait_until_no_slots(trial)
    return len(answers)


async def _wait_until_no_slots(trial: Trial) -> None:
    """Waits until every task has ended and the slots of tasks that were never published are free."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLED_S):
            while any(count for tenant, count in (await trial.active_slots()).items() if tenant != OTHER_TENANT):
                await asyncio.sleep(0.5)
                await trial.submit(OTHER_TENANT, 1)  # a submission makes the api check the slots of an api that died


async def idempotent(scale: float) -> TrialResult:
    """Submits one key 100 times at once, again right after Redis is emptied, and again when the queue is open."""
    together = max(round(TOGETHER * scale), 10)
    async with open_trial() as trial:

        async def submit_all() -> list[Answer]:
            return list(await asyncio.gather(*(trial.submit(key="one", text="one") for _ in range(together))))

        answers = await submit_all()
        await trial.wait_until_ended(accepted_ids(answers))
        trial.deployment.redis.flush()
        answers += await submit_all()
        await asyncio.sleep(8)
        answers += await submit_all()
        ids = set(accepted_ids(answers))
        await trial.wait_until_ended(ids)
        runs = len(trial.runs())
    refused = Counter(answer.code for answer in answers if answer.status not in {200, 202})
    return TrialResult(
        f"3 × {together} at once with one key, Redis emptied between: {len(ids)} task, {runs} run; refused: "
        f"{dict(refused) or 'none'}",
        len(ids) == 1 and runs == 1,
    )
