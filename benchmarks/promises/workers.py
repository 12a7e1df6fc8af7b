"""Workers that leave, are lost, or are told to stop a task."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time

from benchmarks.promises.trial import NO_LIMIT, Figure, Trial, accepted, quantile, trial
from server.queue.redis.cancellation import raising_lost_cancel
from server.queue.redis.scripts import ROOT
from tests.chaos.hurry import LEASE_S

GRACE_S = 30.0
"""What Kubernetes gives a pod unless it is told otherwise."""
DRAINS, KILLS, DEVICE_KILLS, CANCELED = 20, 20, 40, 200
SLOW_STEP_S = 1.0


async def drain(scale: float) -> Figure:
    """SIGTERM to each of four workers in turn under load; HUA_DRAIN_S is 0, so all that runs is handed over."""
    drains = max(round(DRAINS * scale), 4)
    async with trial() as one:
        asking = asyncio.create_task(one.steadily(8, drains * 2.0, steps=40))
        watching = asyncio.create_task(_deaths(one))
        exits = []
        await asyncio.sleep(2)
        for number in range(drains):
            name = f"worker-{number % 4}"
            began = time.monotonic()
            one.deployment.send(name, signal.SIGTERM)
            while one.deployment.lives(name):
                await asyncio.sleep(0.02)
            exits.append(time.monotonic() - began)
            one.deployment.begin(name)
            await asyncio.sleep(1)
        ids = accepted(await asking)
        lost = len(ids) - len(await one.ended(ids))
        watching.cancel()
        deaths = await watching
        anew = len([run for run in one.runs() if not run["from"]]) - len(ids)
        resumed = len([run for run in one.runs() if run["from"]])
    return Figure(
        f"{drains} drains, {len(ids)} tasks: {lost} lost, {deaths} attempts burned, {resumed} resumed where they "
        f"stood, {anew} begun anew; slowest exit {max(exits):.1f} s of {GRACE_S:.0f}",
        not lost and not deaths and max(exits) < GRACE_S,
    )


async def _deaths(one: Trial) -> int:
    """The most deaths that any task was seen to have in the queue, until canceled."""
    most = 0
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            with raising_lost_cancel():
                for task_id in await one.queue.smembers(f"{ROOT}:unfinished"):
                    most = max(most, int(await one.queue.hget(f"{ROOT}:task:{task_id.decode()}", "deaths") or 0))
            await asyncio.sleep(0.1)
    return most


async def recovery(scale: float) -> Figure:
    """Kills the device, then whole workers, under a task each; until another run of that task begins."""
    async with trial(workers=3, capacity=2) as one:
        devices = [await _again(one, f"device {number}", False) for number in range(round(DEVICE_KILLS * scale) or 2)]
        workers = [await _again(one, f"worker {number}", True) for number in range(round(KILLS * scale) or 2)]
    device, worker = quantile(devices, 0.99), quantile(workers, 0.99)
    return Figure(
        f"device killed, {len(devices)} times: p99 {device:.2f} s; worker killed, {len(workers)} times: p99 "
        f"{worker:.2f} s with a lease of {LEASE_S:.0f} s",
        device <= 2 and worker <= LEASE_S + 2,
    )


async def _again(one: Trial, text: str, whole: bool) -> float:
    """Seconds from the kill until the task is begun again."""
    await one.all_ready()
    answer = await one.submit(text=text, steps=100)
    await one.begun(text)
    await asyncio.sleep(0.1)
    view = await one.look(answer.id)
    while not (worker := await one.queue.hget(f"{ROOT}:task:{answer.id}", "worker")):
        await asyncio.sleep(0.01)
    pid = int(worker.decode().rpartition(":")[2])
    assert view["status"] == "running"
    name = next(name for name in one.deployment.of("worker") if one.deployment.pid(name) == pid)
    killed = time.time()
    if whole:
        one.deployment.kill(name)
    else:
        os.kill(one.deployment.devices_of(name)[0], signal.SIGKILL)
    took_s = await one.begun(text, killed) - killed
    await one.cancel(answer.id)
    if whole:
        one.deployment.begin(name)
    await asyncio.sleep(1)  # until what it said when it lived is said no more
    await one.all_ready()
    return took_s


async def cancel(scale: float) -> Figure:
    """200 that run and 200 that wait, on four devices of 50, at a second a step."""
    count = max(round(CANCELED * scale), 8) // 4 * 4
    async with trial(capacity=count // 4, step_s=SLOW_STEP_S, limit=NO_LIMIT) as one:
        running = [f"running {number}" for number in range(count)]
        ids = dict(zip(running, await _submitted(one, running), strict=True))
        while len(one.runs()) < count:
            await asyncio.sleep(0.5)
        waiting = await _submitted(one, [f"waiting {number}" for number in range(count)])
        await asyncio.gather(*map(one.cancel, waiting))  # first: else they begin where others have stopped
        asked = {}

        async def stop(text: str) -> None:
            asked[text] = time.time()
            await one.cancel(ids[text])

        await asyncio.gather(*map(stop, running))
        canceled = await one.ended([*waiting, *ids.values()], 60)
        await asyncio.sleep(5)
        stopped = {run["text"]: run["at"] - asked[run["text"]] for run in one.runs("aborted") if run["text"] in asked}
        begun = sum(run["text"].startswith("waiting") for run in one.runs())
    slowest = quantile(list(stopped.values()), 0.99) if len(stopped) > 1 else float("inf")
    all_canceled = sum(view["status"] == "canceled" for view in canceled.values())
    return Figure(
        f"{all_canceled} of {2 * count} canceled; of {count} that waited {begun} began; {len(stopped)} of {count} that "
        f"ran stopped, p99 {slowest:.1f} s after the cancel, at {SLOW_STEP_S:.0f} s a step",
        not begun and len(stopped) == count and slowest <= SLOW_STEP_S + 5 and all_canceled == 2 * count,
    )


async def _submitted(one: Trial, texts: list[str]) -> list[str]:
    return accepted(await asyncio.gather(*(one.submit(text=text, steps=100) for text in texts)))
