"""One profile of saturated steps: which kernels take the time, and how long the device waits between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch.profiler import ProfilerActivity

from benchmarks.gpu_day.local_engine import Task, open_engine, synchronize
from benchmarks.gpu_day.plan import DayPlan
from benchmarks.gpu_day.result import Finding, NonsenseError
from server.commands.bench.plan import MAIN
from server.commands.bench.results import Figure

IMAGES = 8
TOP = 10
"""Kernels that the report lists."""
GAP_US = 10.0
"""Shorter gaps are the device's own."""
NAME_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Span:
    """One kernel or, on a CPU, one operation; microseconds."""

    name: str
    begin: float
    end: float


def profile(plan: DayPlan) -> Iterator[Finding]:
    """Also writes `trace.json.gz`, for https://ui.perfetto.dev."""
    on_cuda = plan.device.startswith("cuda")
    common = {"text": "a boat", "model": MAIN, "w": plan.side, "h": plan.side, "num_steps": plan.steps}
    tasks = {str(seed): Task("txt2img.sd", {**common, "seed": seed, "sampler": "euler"}) for seed in range(IMAGES)}
    with open_engine(plan.full_models, plan.device) as engine:
        for _ in range(2):  # afterwards the steps are captured
            engine.run(tasks)
        synchronize(plan.device)
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_cuda else [])]
        with torch.profiler.profile(activities=activities) as recorded:
            engine.run(tasks)
            synchronize(plan.device)
    recorded.export_chrome_trace(str(plan.results / "trace.json.gz"))
    kind = "CUDA" if on_cuda else "CPU"
    spans = [
        Span(event.name, event.time_range.start, event.time_range.end)
        for event in recorded.events() or ()
        if event.device_type.name == kind and (on_cuda or event.cpu_parent is None)
    ]
    yield from figures(spans)


def figures(spans: Sequence[Span]) -> Iterator[Figure]:
    """The share of the idle time, the gaps, and the longest kernels. Raises NonsenseError if there are no spans."""
    if not spans:
        raise NonsenseError("the profiler recorded no kernel; allow CUPTI for this process")
    spans = sorted(spans, key=lambda span: span.begin)
    gaps, covered_to = list[tuple[float, str]](), spans[0].begin
    for span in spans:
        if span.begin - covered_to > GAP_US:
            gaps.append((span.begin - covered_to, span.name))
        covered_to = max(covered_to, span.end)
    whole, idle = covered_to - spans[0].begin, sum(gap for gap, _ in gaps)
    yield Figure(name="trace.wall", title=f"{IMAGES} images under the profiler", unit="ms", value=whole / 1000)
    yield Figure(name="trace.kernels", title="kernels", unit="", value=len(spans))
    yield Figure(name="trace.idle", title="time in gaps between kernels", unit="%", value=100 * idle / whole)
    if gaps:
        yield Figure.of("trace.gaps", f"{len(gaps)} gaps of more than {GAP_US:.0f} µs", "µs", [gap for gap, _ in gaps])
    by_next = Counter[str]()
    for gap, name in gaps:
        by_next[name] += gap  # type: ignore[assignment]
    yield from _longest("gap", "gaps before", by_next, whole)
    by_name = Counter[str]()
    for span in spans:
        by_name[span.name] += span.end - span.begin  # type: ignore[assignment]
    yield from _longest("kernel", "kernel", by_name, whole)


def _longest(kind: str, title: str, times: Counter[str], whole: float) -> Iterator[Figure]:
    """Those that take the most time, as shares of the whole."""
    for index, (name, spent) in enumerate(times.most_common(TOP)):
        short = name if len(name) <= NAME_LENGTH else f"{name[:NAME_LENGTH]}…"
        label = f"{title} {short.replace('|', '/')}"
        yield Figure(name=f"trace.{kind}.{index}", title=label, unit="%", value=100 * spent / whole)
