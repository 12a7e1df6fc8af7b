"""One run: a deployment, its clients, its faults; then the verdict."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

from server.controller.orphan_sweep import OrphanSweeper
from server.services import Services, bucket_of
from tests.chaos import checker, logs
from tests.chaos.checker import Broken
from tests.chaos.clients import Clients, endless, plan_tasks
from tests.chaos.deployment import Deployment, running
from tests.chaos.faults import Counts, Faults, schedule
from tests.chaos.history import History, PlannedTask
from tests.chaos.offsets import log_of, watch_offsets
from tests.chaos.pools import served
from tests.chaos.rounds import Rounds, amounts_to, reached, weather
from tests.chaos.sink import Sink
from tests.chaos.stalls import again, note_stillness, wait_for

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan of a run, from a seed. `patience_s`: seconds for the remaining tasks after the last fault. With `rounds`
    there are crashes at named points instead of faults, and tasks as long as these take."""

    seed: int
    tasks: int
    horizon_s: float
    counts: Counts
    workers: int = 3
    controllers: int = 2
    tenants: int = 4
    limit: int = 12
    poison: int = 0
    cluster: bool = True
    failing: float = 0.2
    canceling: float = 0.1
    patience_s: float = 60.0
    mutant: str = ""
    rounds: int = 0

    @property
    def names(self) -> list[str]:
        return [f"tenant-{number}" for number in range(self.tenants)]


@dataclass(frozen=True, slots=True)
class Verdict:
    plan: Plan
    history: History
    broken: list[Broken]
    took_s: float
    settled_s: float
    numbers: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        by_invariant: dict[str, list[Broken]] = {}
        for one in self.broken:
            by_invariant.setdefault(one.invariant, []).append(one)
        lines = [f"seed {self.plan.seed}: {len(self.broken)} broken promises"]
        for invariant, each in by_invariant.items():
            lines += [f"{invariant} × {len(each)}: task {each[0].task}, {each[0].message}"]
            lines += (
                [f"    {line}" for line in self.history.report(each[0].task).splitlines()] if each[0].task >= 0 else []
            )
        return "\n".join(lines)

    def save(self, file: Path) -> None:
        """Writes the plan, the numbers, the broken invariants, and the whole history."""
        content = {"plan": asdict(self.plan), "numbers": self.numbers, "broken": [asdict(one) for one in self.broken]}
        file.write_text(json.dumps(content, indent=1))
        self.history.save(file.with_suffix(".history.json"))


def carry_out(plan: Plan, folder: Path) -> Verdict:
    """Runs a plan with real servers and processes. `folder` is empty, and keeps the logs of the deployment.

    The named points are always set, so that a run fails at once when they no longer fit the code."""
    crashes = {"CHAOS_CRASHES": str(folder / "crashes")}
    deployment = Deployment(
        folder, plan.names, plan.limit, plan.cluster, plan.mutant, crashes, plan.counts.hurts_network
    )
    with running(deployment, plan.workers, plan.controllers):
        return asyncio.run(_carried_out(plan, deployment))


async def _carried_out(plan: Plan, deployment: Deployment) -> Verdict:
    rng = Random(plan.seed)
    tasks = plan_tasks(rng, plan.tasks, plan.names, served(plan.workers), plan.poison, plan.horizon_s, plan.canceling)
    history = History(tasks, plan.limit)
    sink = Sink(history, Random(plan.seed), plan.failing)
    services, bucket = Services.from_settings(deployment.settings), bucket_of(deployment.settings)
    clients = Clients(deployment.url, await sink.start(), history, Random(plan.seed))
    over = asyncio.Event()
    watching = asyncio.gather(note_stillness(history, over), watch_offsets(log_of(deployment), bucket, history, over))
    began = time.monotonic()
    try:
        if plan.rounds:
            endlessly = endless(rng, plan.names, served(plan.workers), plan.canceling)
            await weather(Rounds(deployment, history, rng, plan.rounds), clients, endlessly, plan.patience_s)
        else:
            faults = schedule(plan.counts, rng, plan.horizon_s)
            hurting = Faults(deployment, services.broker, bucket, history, rng, clients.ended)
            await _storm(plan, tasks, clients, hurting, faults)
        calm = time.monotonic()
        await wait_for(_calm(deployment, history, clients, sink), plan.patience_s)
        took = (time.monotonic() - began, time.monotonic() - calm)
        await clients.look_at_last()
        history.runs = [json.loads(line) for line in (deployment.folder / "runs").read_text().splitlines()]
        await again(OrphanSweeper(bucket, lambda: time.time() + HOUR_S).sweep)
        history.found = await again(lambda: logs.found(deployment, bucket))
    finally:
        over.set()
        await watching
        await clients.close()
        await sink.close()
        await services.close()
    broken = checker.check(history, _struck(plan, history), plan.workers)
    return Verdict(plan, history, broken, *took, _numbers(history))


async def _storm(
    plan: Plan, tasks: list[PlannedTask], clients: Clients, faults: Faults, planned: list[tuple[float, str]]
) -> None:
    """Waits until all tasks have ended and all faults are over, or until the timeout."""
    looking_back = asyncio.create_task(clients.look_back())
    following = asyncio.gather(*(clients.follow(one) for one in tasks))
    await wait_for(asyncio.gather(following, faults.run(planned)), plan.horizon_s + plan.patience_s)
    looking_back.cancel()
    await asyncio.gather(looking_back, return_exceptions=True)


def _struck(plan: Plan, history: History) -> Counts:
    """The faults of the run: planned ones or crashes; and for each worker, when the machine stood still."""
    counts = amounts_to(history) if plan.rounds else plan.counts
    still = sum(event.kind == "still" for event in history.events)
    return replace(counts, worker_pauses=counts.worker_pauses + still * plan.workers)


async def _calm(deployment: Deployment, history: History, clients: Clients, sink: Sink) -> None:
    """Waits until accepted callbacks are delivered and settled tasks are committed."""
    due = {one.number for one in history.planned if one.callback} & set(clients.ended)
    while not due <= sink.delivered or await asyncio.to_thread(logs.uncommitted, deployment) > 0:
        await asyncio.sleep(0.2)


def _numbers(history: History) -> dict[str, Any]:
    """The numbers of a run."""
    kinds = Counter(event.kind for event in history.events)
    executions = checker.executions(history)
    outcomes = history.found.outcomes
    return {
        "tasks": len(history.ids()),
        "ended": Counter(manifest["outcome"]["status"] for manifest in history.found.manifests.values()),
        "views": kinds["seen"],
        "refused": Counter(str(event.details["status"]) for event in history.events if event.kind == "refused"),
        "runs": sum(executions.values()),
        "runs a task": round(sum(executions.values()) / max(len(executions), 1), 3),
        "outcomes": sum(map(len, outcomes.values())),
        "callbacks": kinds["callback"],
        "pictures fetched": kinds["fetched"],
        "crashed at": reached(history),
        "seconds in which nothing ran": round(history.still_s(0.0, float("inf"))),
    }
