"""Workers that drain, die, or cancel a task."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time

from benchmarks.promises.trial import NO_LIMIT, Trial, TrialResult, accepted_ids, open_trial, quantile
from server.queue.redis.cancellation import raising_lost_cancel
from server.queue.redis.scripts import ROOT
from tests.chaos.short_timeouts import LEASE_S

GRACE_S = 30.0
"""The default grace period of a Kubernetes pod."""
DRAINS, KILLS, DEVICE_KILLS, CANCELED = 20, 20, 40, 200
SLOW_STEP_S = 1.0


async def drain(scale: float) -> TrialResult:
    """Sends SIGTERM to each of four workers in turn under load. HUA_DRAIN_S is 0: running tasks are handed over."""
    drains = max(round(DRAINS * scale), 4)
    async with open_trial() as trial:
        submissions = asyncio.create_task(trial.submit_steadily(8, drains * 2.0, steps=40))
        watcher = asyncio.create_task(_max_deaths(trial))
        exits = []
        await asyncio.sleep(2)
        for number in range(drains):
            name = f"worker-{number % 4}"
            began = time.monotonic()
            trial.deployment.send(name, signal.SIGTERM)
            while trial.deployment.lives(name):
                await asyncio.sleep(0.02)
            exits.append(time.monotonic() - began)
            trial.deployment.begin(name)
            await asyncio.sleep(1)
        ids = accepted_ids(await submissions)
        lost = len(ids) - len(await trial.wait_until_ended(ids))
        watcher.cancel()
        deaths = await watcher
        restarted = len([run for run in trial.runs() if not run["from"]]) - len(ids)
        resumed = len([run for run in trial.runs() if run["from"]])
    return TrialResult(
        f"{drains} drains, {len(ids)} tasks: {lost} lost, {deaths} attempts burned, {resumed} resumed, "
        f"{restarted} restarted; slowest exit {max(exits):.1f} s of {GRACE_S:.0f}",
        not lost and not deaths and max(exits) < GRACE_S,
    )


async def _max_deaths(trial: Trial) -> int:
    """The largest number of deaths of one task in the queue, sampled until canceled."""
    most = 0
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            with raising_lost_cancel():
                for task_id in await trial.queue.smembers(f"{ROOT}:unfinished"):
                    most = max(most, int(await trial.queue.hget(f"{ROOT}:task:{task_id!s}", "deaths") or 0))
            await asyncio.sleep(0.1)
    return most


async def recovery(scale: float) -> TrialResult:
    """Kills devices, then workers, each while it runs a task; measures the time until the task begins again."""
    async with open_trial(workers=3, capacity=2) as trial:
        devices = [
            await _recovery_s(trial, f"device {number}", False) for number in range(round(DEVICE_KILLS * scale) or 2)
        ]
        workers = [await _recovery_s(trial, f"worker {number}", True) for number in range(round(KILLS * scale) or 2)]
    device, worker = quantile(devices, 0.99), quantile(workers, 0.99)
    return TrialResult(
        f"device killed, {len(devices)} times: p99 {device:.2f} s; worker killed, {len(workers)} times: p99 "
        f"{worker:.2f} s with a lease of {LEASE_S:.0f} s",
        device <= 2 and worker <= LEASE_S + 2,
    )


async def _recovery_s(trial: Trial, text: str, kill_worker: bool) -> float:
    """Seconds from the kill until the task begins again."""
    await trial.wait_until_ready()
    answer = await trial.submit(text=text, steps=100)
    await trial.wait_until_begun(text)
    await asyncio.sleep(0.1)
    view = await trial.fetch_view(answer.id)
    while not (worker := await trial.queue.hget(f"{ROOT}:task:{answer.id}", "worker")):
        await asyncio.sleep(0.01)
    pid = int(str(worker).rpartition(":")[2])
    assert view["status"] == "running"
    name = next(name for name in trial.deployment.of("worker") if trial.deployment.pid(name) == pid)
    killed = time.time()
    if kill_worker:
        trial.deployment.kill(name)
    else:
        os.kill(trial.deployment.devices_of(name)[0], signal.SIGKILL)
    duration_s = await trial.wait_until_begun(text, killed) - killed
    await trial.cancel(answer.id)
    if kill_worker:
        trial.deployment.begin(name)
    await asyncio.sleep(1)  # until the queue no longer shows the status that it sent before the kill
    await trial.wait_until_ready()
    return duration_s


async def cancel(scale: float) -> TrialResult:
    """Cancels 200 running and 200 waiting tasks on four devices of 50, at one second per step."""
    count = max(round(CANCELED * scale), 8) // 4 * 4
    async with open_trial(capacity=count // 4, step_s=SLOW_STEP_S, limit=NO_LIMIT) as trial:
        running = [f"running {number}" for number in range(count)]
        ids = dict(zip(running, await _submitted(trial, running), strict=True))
        while len(trial.runs()) < count:
            await asyncio.sleep(0.5)
        waiting = await _submitted(trial, [f"waiting {number}" for number in range(count)])
        await asyncio.gather(*map(trial.cancel, waiting))  # first: otherwise they begin when running ones stop
        canceled_at = {}

        async def stop(text: str) -> None:
            canceled_at[text] = time.time()
            await trial.cancel(ids[text])

        await asyncio.gather(*map(stop, running))
        canceled = await trial.wait_until_ended([*waiting, *ids.values()], 60)
        await asyncio.sleep(5)
        stopped = {
            run["text"]: run["at"] - canceled_at[run["text"]]
            for run in trial.runs("aborted")
            if run["text"] in canceled_at
        }
        begun = sum(run["text"].startswith("waiting") for run in trial.runs())
    slowest = quantile(list(stopped.values()), 0.99) if len(stopped) > 1 else float("inf")
    all_canceled = sum(view["status"] == "canceled" for view in canceled.values())
    return TrialResult(
        f"{all_canceled} of {2 * count} canceled; {begun} of {count} waiting ones began; {len(stopped)} of {count} "
        f"running ones stopped, p99 {slowest:.1f} s after the cancel, at {SLOW_STEP_S:.0f} s a step",
        not begun and len(stopped) == count and slowest <= SLOW_STEP_S + 5 and all_canceled == 2 * count,
    )


async def _submitted(trial: Trial, texts: list[str]) -> list[str]:
    return accepted_ids(await asyncio.gather(*(trial.submit(text=text, steps=100) for text in texts)))
