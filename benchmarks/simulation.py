"""Waiting times of tasks on 4, 64 and 1,000 GPUs, with the queue's own code and a virtual clock; needs no GPU.

    python -m benchmarks.simulation [--tasks 20000] [--plots benchmarks/results]

Tasks arrive at random (Poisson). Their cost is drawn from a mix of typical requests, their model and tenant from a Zipf
distribution. A GPU holds `MODELS_A_GPU` models; loading another one takes `SWAP_S`. Three policies for the same tasks:

- queue: `MemoryQueue` unchanged: fair between classes and tenants, loaded models preferred
- fair:  the same queue, but workers do not report loaded models, so the longest idle worker takes the next task
- bound: each task belongs to one GPU from the start, as with a partition of a log

Prints three tables: waits and swaps by load; the same by fleet size; and the waits of a light tenant while another
tenant submits a hundred times as much.
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
MODELS_A_GPU = 4
MODELS, TENANTS = 12, 40
MIX = ((0.60, 1.0), (0.15, 2.5), (0.15, 0.6), (0.10, 5.0))
"""Fractions and costs: the usual image, many steps, super-resolution, a large image in two passes."""
CLASSES: tuple[tuple[float, Priority], ...] = ((0.1, "high"), (0.8, "normal"), (0.1, "low"))
Event = Task | tuple[int, Task] | None
"""A task arrives, a GPU ends a task, or a worker that had to wait asks again."""
POLICIES = ("queue", "fair", "bound")


@dataclass(slots=True)
class Gpu:
    """One worker."""

    name: str
    models: OrderedDict[str, None] = field(default_factory=OrderedDict)
    """The loaded models, least recently used first."""
    own: deque[Task] = field(default_factory=deque)
    """Tasks that only this worker may run (policy `bound`)."""

    def seconds(self, task: Task) -> tuple[float, bool]:
        """Seconds of this task on this GPU, and whether its model had to be loaded."""
        model = task.models[0]
        swaps = model not in self.models
        self.models[model] = None
        self.models.move_to_end(model)
        if len(self.models) > MODELS_A_GPU:
            self.models.popitem(last=False)
        return task.cost * SECONDS_A_COST + SWAP_S * swaps, swaps


@dataclass(slots=True)
class SimulationResult:
    """Waits by task, in seconds, and the number of model swaps."""

    waits: list[tuple[Task, float]] = field(default_factory=list)
    swaps: int = 0

    def wait(self, fraction: float, tasks: Iterable[tuple[Task, float]] | None = None) -> float:
        """The wait, in seconds, within which this fraction of the tasks began."""
        waits = sorted(seconds for _, seconds in (self.waits if tasks is None else tasks))
        return waits[min(int(fraction * len(waits)), len(waits) - 1)]


def arrivals(count: int, gpus: int, load: float, seed: int) -> Iterator[Task]:
    """Tasks in order of `created_at`, at the rate that keeps `gpus` busy for the fraction `load`, without swaps."""
    rng = random.Random(seed)
    mean = sum(fraction * cost for fraction, cost in MIX) * SECONDS_A_COST
    now = 0.0
    for number in range(count):
        now += rng.expovariate(load * gpus / mean)
        yield _task(rng, f"{number:032x}", f"tenant-{_tail(rng, TENANTS)}", now)


def backlog(count: int, tenant: str, seed: int) -> Iterator[Task]:
    """Tasks that one tenant submits at once."""
    rng = random.Random(seed)
    return (_task(rng, f"b{number:031x}", tenant, 0.0) for number in range(count))


def _task(rng: random.Random, name: str, tenant: str, now: float) -> Task:
    (cost,) = rng.choices([cost for _, cost in MIX], [fraction for fraction, _ in MIX])
    (priority,) = rng.choices([name for _, name in CLASSES], [fraction for fraction, _ in CLASSES])
    model = f"model-{_tail(rng, MODELS)}"
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


def _tail(rng: random.Random, count: int) -> int:
    """A number k from 1 to `count`, with a probability proportional to 1/k (Zipf)."""
    (number,) = rng.choices(range(1, count + 1), [1 / k for k in range(1, count + 1)])
    return number


class Simulation:
    """A fleet and its tasks, simulated event by event."""

    def __init__(self, tasks: Iterable[Task], gpus: int, policy: str) -> None:
        self.result = SimulationResult()
        self._policy = policy
        self._now = 0.0
        self._queue = MemoryQueue(clock=lambda: self._now, wall=lambda: self._now)
        self._fleet = [Gpu(f"gpu-{number}") for number in range(gpus)]
        self._idle = dict.fromkeys(range(gpus))
        self._waiting = 0
        self._arrivals = iter(tasks)
        self._events: list[tuple[float, int, Event]] = []
        self._numbers = itertools.count()

    async def run(self) -> SimulationResult:
        """Runs to the end of the last task; the clock jumps from one event to the next."""
        await self._queue.open()
        self._schedule_arrival()
        while self._events:
            self._now, _, event = heapq.heappop(self._events)
            await self._apply(event)
            await self._assign(event)
        return self.result

    def _schedule_arrival(self) -> None:
        if (task := next(self._arrivals, None)) is not None:
            self._schedule(task.created_at, task)

    def _schedule(self, moment: float, event: Event) -> None:
        heapq.heappush(self._events, (moment, next(self._numbers), event))

    async def _apply(self, event: Event) -> None:
        match event:
            case Task():
                self._schedule_arrival()
                self._waiting += 1
                if self._policy == "bound":
                    self._fleet[self._gpu_of(event)].own.append(event)
                else:
                    await self._queue.ingest(event)
            case (int(number), Task() as done):
                outcome = Outcome(task=done, attempt="", status=Status.SUCCEEDED, finished_at=self._now)
                await self._queue.settle(Manifest(outcome=outcome, expires_at=self._now))
                self._idle[number] = None

    async def _assign(self, event: Event) -> None:
        """Idle workers lease tasks, first those with the task's model. The queue may let the others wait."""
        for number in self._candidates(event):
            if not self._waiting:
                return
            task = await self._next_task(self._fleet[number])
            if task is not None:
                self._start(number, task)
            elif self._policy == "queue":
                self._schedule(self._now + COURTESY_S, None)
                return

    def _candidates(self, event: Event) -> list[int]:
        if self._policy == "bound":
            number = self._gpu_of(event) if isinstance(event, Task) else event[0] if event else -1
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
        self.result.waits.append((task, self._now - task.created_at))
        seconds, swaps = self._fleet[number].seconds(task)
        self.result.swaps += swaps
        self._schedule(self._now + seconds, (number, task))

    def _gpu_of(self, task: Task) -> int:
        return zlib.crc32(task.id.encode()) % len(self._fleet)


def simulate(tasks: Iterable[Task], gpus: int, policy: str) -> SimulationResult:
    return asyncio.run(Simulation(tasks, gpus, policy).run())


def by_load(count: int) -> dict[str, list[tuple[float, SimulationResult]]]:
    """Waits on 64 GPUs as the load rises."""
    results: dict[str, list[tuple[float, SimulationResult]]] = {policy: [] for policy in POLICIES}
    print(f"\n64 GPUs, {count} tasks | wait p50 | p95 | p99, s | swaps")
    for load in (0.5, 0.6, 0.7, 0.8, 0.9):
        for policy in POLICIES:
            result = simulate(arrivals(count, 64, load, seed=1), 64, policy)
            results[policy].append((load, result))
            _print(f"load {load:.0%}, {policy}", result)
    return results


def by_fleet(count: int) -> None:
    print("\nload 80% | wait p50 | p95 | p99, s | swaps")
    for gpus in (4, 64, 1000):
        for policy in POLICIES:
            result = simulate(arrivals(count, gpus, 0.8, seed=2), gpus, policy)
            _print(f"{gpus} GPUs, {policy}", result)


def with_a_heavy_tenant(count: int) -> None:
    """Waits of a light tenant, alone and while another tenant has a hundred times as many tasks waiting."""
    print("\n4 GPUs, one light tenant | wait p50 | p95, s")
    light = [task.model_copy(update={"tenant": "light", "priority": "normal"}) for task in arrivals(count, 4, 0.1, 3)]
    heavy = [task.model_copy(update={"priority": "normal"}) for task in backlog(100 * count, "heavy", 4)]
    for name, tasks in (("alone", light), ("with 100 times as much", [*heavy, *light])):
        for policy in ("queue", "bound"):
            result = simulate(tasks, 4, policy)
            own = [entry for entry in result.waits if entry[0].tenant == "light"]
            print(f"{name}, {policy:6} {result.wait(0.5, own):10.1f} {result.wait(0.95, own):10.1f}")
    mean = sum(fraction * cost for fraction, cost in MIX) * SECONDS_A_COST
    print(f"(a task takes {mean:.1f} s on average, {max(cost for _, cost in MIX) * SECONDS_A_COST:.0f} s at most)")


def _print(name: str, result: SimulationResult) -> None:
    p50, p95, p99 = (result.wait(fraction) for fraction in (0.5, 0.95, 0.99))
    print(f"{name:24} {p50:8.1f} {p95:8.1f} {p99:8.1f} {result.swaps / len(result.waits):8.1%}")


def plot(results: dict[str, list[tuple[float, SimulationResult]]], folder: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (waits, swaps) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    for policy, points in results.items():
        loads = [100 * load for load, _ in points]
        waits.semilogy(loads, [max(result.wait(0.95), 0.1) for _, result in points], marker="o", label=policy)
        swaps.plot(loads, [100 * result.swaps / len(result.waits) for _, result in points], marker="o", label=policy)
    waits.set(title="p95 of the wait", xlabel="load, %", ylabel="seconds")
    swaps.set(title="tasks that wait for their model", xlabel="load, %", ylabel="%", ylim=(0, None))
    for axes in (waits, swaps):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(folder / "simulation.png", dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--plots", type=Path, help="a folder for simulation.png")
    arguments = parser.parse_args()
    costs = statistics.fmean(task.cost for task in arrivals(2000, 1, 1, 0))
    models = f"{MODELS_A_GPU} of {MODELS} models a GPU"
    print(f"mean cost {costs:.2f}, {SECONDS_A_COST} s each; a swap takes {SWAP_S} s; {models}")
    results = by_load(arguments.tasks)
    by_fleet(arguments.tasks)
    with_a_heavy_tenant(arguments.tasks // 100)
    if arguments.plots:
        plot(results, arguments.plots)


if __name__ == "__main__":
    main()
