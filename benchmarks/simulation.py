"""How long tasks wait on 4, 64 and 1,000 GPUs: the queue's own code, a virtual clock, and no GPU at all.

    python -m benchmarks.simulation [--tasks 20000] [--plots benchmarks/results]

Tasks come at random (Poisson), their cost drawn from a mix of what people ask for, their model and tenant from long
tails. A GPU keeps `KEPT` models; another one costs `SWAP_S` first. Three ways to hand out the same tasks:

- queue: `MemoryQueue` as it is: fair between classes and tenants, loaded models preferred
- fair:  the same, but nobody says what is loaded, so whoever has waited longest takes what comes
- bound: each task belongs to one GPU from the start, as to a partition of a log

Prints three tables: waits and swaps by load; the same as the fleet grows; and how a light tenant fares beside one that
hands in a hundred times as much.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import itertools
import random
import statistics
import zlib
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from server.queue import COURTESY_S
from server.queue.memory.queue import MemoryQueue
from server.task import Manifest, Outcome, Priority, Status, Task

SECONDS_A_COST = 5.0
"""One 512×512 image at 20 steps on a card of the Turing generation."""
SWAP_S = 3.0
KEPT = 4
MODELS, TENANTS = 12, 40
MIX = ((0.60, 1.0), (0.15, 2.5), (0.15, 0.6), (0.10, 5.0))
"""Shares and costs: the usual picture, many steps, super-resolution, a large one in two passes."""
CLASSES: tuple[tuple[float, Priority], ...] = ((0.1, "high"), (0.8, "normal"), (0.1, "low"))
Event = Task | tuple[int, Task] | None
"""A task comes, a GPU ends one, or whoever was told to wait asks again."""
POLICIES = ("queue", "fair", "bound")


@dataclass(slots=True)
class Gpu:
    """One worker: the models it has, the last used last, and what belongs to it alone."""

    name: str
    models: OrderedDict[str, None] = field(default_factory=OrderedDict)
    own: deque[Task] = field(default_factory=deque)

    def seconds(self, task: Task) -> tuple[float, bool]:
        """How long this task takes here, and whether its model had to be brought."""
        model = task.models[0]
        swaps = model not in self.models
        self.models[model] = None
        self.models.move_to_end(model)
        if len(self.models) > KEPT:
            self.models.popitem(last=False)
        return task.cost * SECONDS_A_COST + SWAP_S * swaps, swaps


@dataclass(slots=True)
class Seen:
    """What came of one simulation."""

    waits: list[tuple[Task, float]] = field(default_factory=list)
    swaps: int = 0

    def wait(self, share: float, tasks: Iterable[tuple[Task, float]] | None = None) -> float:
        """The wait, in seconds, within which this share of the tasks began."""
        waits = sorted(seconds for _, seconds in (self.waits if tasks is None else tasks))
        return waits[min(int(share * len(waits)), len(waits) - 1)]


def arrivals(count: int, gpus: int, load: float, seed: int) -> Iterator[Task]:
    """Tasks in the order of `created_at`, as many a second as keep `gpus` busy for `load` of the time, swaps aside."""
    chance = random.Random(seed)
    mean = sum(share * cost for share, cost in MIX) * SECONDS_A_COST
    now = 0.0
    for number in range(count):
        now += chance.expovariate(load * gpus / mean)
        yield _task(chance, f"{number:032x}", f"tenant-{_tail(chance, TENANTS)}", now)


def backlog(count: int, tenant: str, seed: int) -> Iterator[Task]:
    """Tasks that one tenant hands in all at once."""
    chance = random.Random(seed)
    return (_task(chance, f"b{number:031x}", tenant, 0.0) for number in range(count))


def _task(chance: random.Random, name: str, tenant: str, now: float) -> Task:
    (cost,) = chance.choices([cost for _, cost in MIX], [share for share, _ in MIX])
    (priority,) = chance.choices([name for _, name in CLASSES], [share for share, _ in CLASSES])
    model = f"model-{_tail(chance, MODELS)}"
    return Task(
        id=name,
        type="txt2img.sd",
        params={},
        tenant=tenant,
        created_at=now,
        priority=priority,
        models=(model,),
        cost=cost,
    )


def _tail(chance: random.Random, count: int) -> int:
    """A number from 1 to `count`, number k as likely as 1/k (Zipf)."""
    (number,) = chance.choices(range(1, count + 1), [1 / k for k in range(1, count + 1)])
    return number


class House:
    """A fleet and the tasks that come to it, played event by event."""

    def __init__(self, tasks: Iterable[Task], gpus: int, policy: str) -> None:
        self.seen = Seen()
        self._policy = policy
        self._now = 0.0
        self._queue = MemoryQueue(clock=lambda: self._now, wall=lambda: self._now)
        self._fleet = [Gpu(f"gpu-{number}") for number in range(gpus)]
        self._idle = dict.fromkeys(range(gpus))
        self._waiting = 0
        self._coming = iter(tasks)
        self._events: list[tuple[float, int, Event]] = []
        self._numbers = itertools.count()

    async def play(self) -> Seen:
        """To the end of the last task; time leaps from one event to the next."""
        await self._queue.open()
        self._expect()
        while self._events:
            self._now, _, event = heapq.heappop(self._events)
            await self._happen(event)
            await self._hand_out(event)
        return self.seen

    def _expect(self) -> None:
        if (task := next(self._coming, None)) is not None:
            self._at(task.created_at, task)

    def _at(self, moment: float, event: Event) -> None:
        heapq.heappush(self._events, (moment, next(self._numbers), event))

    async def _happen(self, event: Event) -> None:
        match event:
            case Task():
                self._expect()
                self._waiting += 1
                if self._policy == "bound":
                    self._fleet[self._bound(event)].own.append(event)
                else:
                    await self._queue.ingest(event)
            case (int(number), Task() as done):
                outcome = Outcome(task=done, attempt="", status=Status.SUCCEEDED, finished_at=self._now)
                await self._queue.settle(Manifest(outcome=outcome, expires_at=self._now))
                self._idle[number] = None

    async def _hand_out(self, event: Event) -> None:
        """Whoever is idle asks, those first that have the model of what came; a cold one may be told to wait."""
        for number in self._askers(event):
            if not self._waiting:
                return
            task = await self._next_task(self._fleet[number])
            if task is not None:
                self._start(number, task)
            elif self._policy == "queue":
                self._at(self._now + COURTESY_S, None)
                return

    def _askers(self, event: Event) -> list[int]:
        if self._policy == "bound":
            number = self._bound(event) if isinstance(event, Task) else event[0] if event else -1
            return [number] if number in self._idle else []
        if isinstance(event, Task) and self._policy == "queue":
            return sorted(self._idle, key=lambda number: event.models[0] not in self._fleet[number].models)
        return list(self._idle)

    async def _next_task(self, gpu: Gpu) -> Task | None:
        if self._policy == "bound":
            return gpu.own.popleft() if gpu.own else None
        lease = await self._queue.lease(gpu.name, list(gpu.models) if self._policy == "queue" else (), 0)
        return lease.task if lease else None

    def _start(self, number: int, task: Task) -> None:
        del self._idle[number]
        self._waiting -= 1
        self.seen.waits.append((task, self._now - task.created_at))
        seconds, swaps = self._fleet[number].seconds(task)
        self.seen.swaps += swaps
        self._at(self._now + seconds, (number, task))

    def _bound(self, task: Task) -> int:
        return zlib.crc32(task.id.encode()) % len(self._fleet)


def simulate(tasks: Iterable[Task], gpus: int, policy: str) -> Seen:
    return asyncio.run(House(tasks, gpus, policy).play())


def by_load(count: int) -> dict[str, list[tuple[float, Seen]]]:
    """Waits on 64 GPUs as the load rises."""
    found: dict[str, list[tuple[float, Seen]]] = {policy: [] for policy in POLICIES}
    print(f"\n64 GPUs, {count} tasks | wait p50 | p95 | p99, s | swaps")
    for load in (0.5, 0.6, 0.7, 0.8, 0.9):
        for policy in POLICIES:
            seen = simulate(arrivals(count, 64, load, seed=1), 64, policy)
            found[policy].append((load, seen))
            _print(f"load {load:.0%}, {policy}", seen)
    return found


def by_fleet(count: int) -> None:
    print("\nload 80% | wait p50 | p95 | p99, s | swaps")
    for gpus in (4, 64, 1000):
        for policy in POLICIES:
            seen = simulate(arrivals(count, gpus, 0.8, seed=2), gpus, policy)
            _print(f"{gpus} GPUs, {policy}", seen)


def beside_a_heavy_tenant(count: int) -> None:
    """A light tenant's waits, alone and while another has a hundred times as much waiting."""
    print("\n4 GPUs, one light tenant | wait p50 | p95, s")
    light = [task.model_copy(update={"tenant": "light", "priority": "normal"}) for task in arrivals(count, 4, 0.1, 3)]
    heavy = [task.model_copy(update={"priority": "normal"}) for task in backlog(100 * count, "heavy", 4)]
    for name, tasks in (("alone", light), ("beside 100 times as much", [*heavy, *light])):
        for policy in ("queue", "bound"):
            seen = simulate(tasks, 4, policy)
            own = [one for one in seen.waits if one[0].tenant == "light"]
            print(f"{name}, {policy:6} {seen.wait(0.5, own):10.1f} {seen.wait(0.95, own):10.1f}")
    mean = sum(share * cost for share, cost in MIX) * SECONDS_A_COST
    print(f"(a task takes {mean:.1f} s on the average, {max(cost for _, cost in MIX) * SECONDS_A_COST:.0f} s at most)")


def _print(name: str, seen: Seen) -> None:
    p50, p95, p99 = (seen.wait(share) for share in (0.5, 0.95, 0.99))
    print(f"{name:24} {p50:8.1f} {p95:8.1f} {p99:8.1f} {seen.swaps / len(seen.waits):8.1%}")


def plot(found: dict[str, list[tuple[float, Seen]]], folder: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (waits, swaps) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for policy, points in found.items():
        loads = [100 * load for load, _ in points]
        waits.semilogy(loads, [max(seen.wait(0.95), 0.1) for _, seen in points], marker="o", label=policy)
        swaps.plot(loads, [100 * seen.swaps / len(seen.waits) for _, seen in points], marker="o", label=policy)
    waits.set(title="95 of 100 tasks begin within", xlabel="load, %", ylabel="seconds")
    swaps.set(title="tasks that wait for their model", xlabel="load, %", ylabel="%", ylim=(0, None))
    for axes in (waits, swaps):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(folder / "simulation.png", dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--plots", type=Path, help="a folder for simulation.png")
    given = parser.parse_args()
    costs = statistics.fmean(task.cost for task in arrivals(2000, 1, 1, 0))
    print(f"mean cost {costs:.2f}, {SECONDS_A_COST} s each; a swap takes {SWAP_S} s; {KEPT} of {MODELS} models a GPU")
    found = by_load(given.tasks)
    by_fleet(given.tasks)
    beside_a_heavy_tenant(given.tasks // 100)
    if given.plots:
        plot(found, given.plots)


if __name__ == "__main__":
    main()
