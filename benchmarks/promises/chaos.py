"""Promises under one kind of fault: short runs of the chaos harness, judged by its checker."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from benchmarks.promises.trial import TrialResult
from tests.chaos.crash_cost import crash_costs
from tests.chaos.faults import Counts
from tests.chaos.history import Event, History
from tests.chaos.run import Plan, Verdict, carry_out

PLAN = Plan(seed=1, tasks=300, horizon_s=90, counts=Counts(), workers=6, failing=0.1, patience_s=120)
MOST_RUNS, MOST_STALL_S, RECOVERED_S, MOST_POISON_RUNS = 1.25, 15.0, 60.0, 3


async def workers_killed(scale: float) -> TrialResult:
    plan = replace(PLAN, tasks=_of(1000, scale), horizon_s=150 * scale, counts=Counts(worker_kills=_of(100, scale)))
    verdict = await _run(plan)
    runs = verdict.numbers["runs a task"]
    return TrialResult(f"{_summary(verdict)}; {runs} runs a task", not verdict.broken and runs <= MOST_RUNS)


async def workers_paused(scale: float) -> TrialResult:
    verdict = await _run(replace(PLAN, horizon_s=90 * scale, counts=Counts(worker_pauses=_of(30, scale))))
    left = _left_over(verdict.history)
    return TrialResult(f"{_summary(verdict)}; {left} images of late attempts are left", not verdict.broken and not left)


async def controllers_killed(scale: float) -> TrialResult:
    verdict = await _run(replace(PLAN, horizon_s=90 * scale, counts=Counts(controller_kills=_of(30, scale))))
    stall_s = _longest_stall(verdict.history)
    return TrialResult(
        f"{_summary(verdict)}; clients saw the end at most {stall_s:.1f} s late",
        not verdict.broken and stall_s <= MOST_STALL_S,
    )


async def redis_lost(scale: float) -> TrialResult:
    counts = Counts(redis_kills=_of(6, scale), redis_stale=_of(6, scale), flushes=_of(3, scale))
    verdict = await _run(replace(PLAN, horizon_s=150 * scale, counts=counts))
    recovered_s = max(_recoveries(verdict.history))
    return TrialResult(
        f"{_summary(verdict)}; a task was begun at most {recovered_s:.1f} s after Redis was back",
        not verdict.broken and recovered_s <= RECOVERED_S,
    )


async def crash_points(scale: float) -> TrialResult:
    rounds = _of(20, scale)
    verdict = await _run(replace(PLAN, tasks=0, rounds=rounds, workers=3))
    *points, total = crash_costs(verdict.history, verdict.broken)
    least, most = (choose(each.reached for each in points) for choose in (min, max))
    return TrialResult(
        f"{verdict.numbers['tasks']} tasks, {total.reached} crashes, {least} to {most} at each of {len(points)} steps, "
        f"{total.under_way / max(total.reached, 1):.0f} tasks running at each: {total.lost} lost, "
        f"{total.twice} with two results or charges, {total.other} other violations",
        not verdict.broken and least >= rounds,
    )


async def poison(scale: float) -> TrialResult:
    bad, good = _of(10, scale), _of(200, scale)
    plan = replace(PLAN, tasks=bad + good, poison=bad, horizon_s=60 * scale, canceling=0.0)
    verdict = await _run(plan)
    history = verdict.history
    texts = [task.params["text"] for task in history.planned if task.poison]
    runs = [sum(run["what"] == "began" and run["text"] == text for run in history.runs) for text in texts]
    succeeded = verdict.numbers["ended"]["succeeded"]
    return TrialResult(
        f"{_summary(verdict)}; each of {bad} poison {min(runs)} to {max(runs)} runs; {succeeded} of {good} succeeded",
        not verdict.broken and max(runs) <= MOST_POISON_RUNS and succeeded == good,
    )


async def _run(plan: Plan) -> Verdict:
    with tempfile.TemporaryDirectory(prefix="hua-promise-", ignore_cleanup_errors=True) as folder:
        return await asyncio.to_thread(carry_out, plan, Path(folder))


def _of(count: int, scale: float) -> int:
    return max(round(count * scale), 1)


def _summary(verdict: Verdict) -> str:
    broken = [violation.invariant for violation in verdict.broken]
    lost, differing, twice = broken.count("I1"), broken.count("I3") + broken.count("I6"), broken.count("I7")
    faults = sum(getattr(verdict.plan.counts, name) for name in Counts.names())
    rest = len(broken) - lost - differing - twice
    return (
        f"{verdict.numbers['tasks']} tasks, {faults} faults: {lost} lost, {differing} with two results, "
        f"{twice} charged wrongly, {rest} other violations"
    )


def _left_over(history: History) -> int:
    """Images that no manifest lists."""
    listed = {image["key"] for manifest in history.found.manifests.values() for image in manifest["outcome"]["images"]}
    return len(set(history.found.images) - listed)


def _longest_stall(history: History) -> float:
    """The longest time from the end of a task until its client saw it."""
    finished: dict[int, float] = {
        number: history.found.manifests[task_id]["outcome"]["finished_at"]
        for number, task_id in history.ids().items()
        if task_id in history.found.manifests
    }
    seen_at = _first(event for event in history.events if event.kind == "seen" and event.final)
    return max(seen_at[number] - at for number, at in finished.items() if number in seen_at)


def _first(events: Iterable[Event]) -> dict[int, float]:
    found: dict[int, float] = {}
    for event in events:
        found.setdefault(event.task, event.at)
    return found


def _recoveries(history: History) -> list[float]:
    """Seconds from the end of each loss of Redis until a device next began a task."""
    over = [event.at for event in history.events if event.kind == "fault" and event.details.get("over")]
    begun = sorted(run["at"] for run in history.runs if run["what"] == "began")
    return [min((at - end for at in begun if at > end), default=0.0) for end in over]
