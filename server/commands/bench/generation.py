"""Whole images: one after another, and many at once, compared with plain diffusers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import mean

import torch

from models import catalog
from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from server.commands.bench.alternation import Side, alternate
from server.commands.bench.diffusers_side import DiffusersSide
from server.commands.bench.hua_side import HuaSide
from server.commands.bench.plan import CANNY, LARGE, MAIN, Plan
from server.commands.bench.results import Figure, join_blocks, ratio
from server.commands.bench.workloads import Workload, equal_workloads, mixed_workloads, outlines

SPARE_BYTES = 3 << 30
"""Device memory for activations, in addition to the weights of all sides."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One image that is generated repeatedly."""

    net: str
    """Names the figures: the family of the main model, controlnet or sdxl."""
    title: str
    workload: Workload
    repeat_fraction: float = 1.0
    """Fraction of the plan's repeats; slow workloads are repeated less often."""


def subjects(plan: Plan, models: Catalog) -> Iterator[Subject]:
    """What `single` measures, as far as the catalog has the models."""
    names = {entry.name for entry in models}
    width, height, steps = plan.size(512, 512, 20)
    family = models.find(MAIN).family
    yield Subject(family, f"{family}, {width}×{height}, {steps} steps", Workload(width, height, steps, seed=1))
    if CANNY in names:
        guided = Workload(width, height, steps, seed=1, source=outlines(width, height), control=True)
        yield Subject("controlnet", f"{family} and a ControlNet, {width}×{height}, {steps} steps", guided, 0.5)
    if LARGE in names:
        width, height, steps = plan.size(1024, 1024, 30)
        workload = Workload(width, height, steps, seed=1, model=LARGE)
        yield Subject("sdxl", f"sdxl, {width}×{height}, {steps} steps", workload, 0.5)


def single(plan: Plan, device: torch.device) -> Iterator[Figure]:
    """One image after another, from prompt to PNG, by the sides alternately."""
    models = catalog.read(plan.models)
    for subject in subjects(plan, models):
        yield from compare_subject(plan, device, models, subject)
    if plan.no_compile:
        yield Figure.missing("single.compiled", "one image by compiled diffusers", f"skipped: {plan.no_compile}")


def compare_subject(plan: Plan, device: torch.device, models: Catalog, subject: Subject) -> Iterator[Figure]:
    """One image by Hua, by diffusers and, unless the plan skips it, by compiled diffusers, in turns."""
    entry, workload = models.find(subject.workload.model), subject.workload
    sides: list[Side] = [
        DiffusersSide(entry, device, models.find(CANNY) if workload.control else None),
        HuaSide(models, device, workload, plan.learning_s),
    ]
    if not plan.no_compile and subject.net == models.find(MAIN).family:
        sides.append(DiffusersSide(entry, device, compiled=True))
    repeats = max(round(plan.repeats * subject.repeat_fraction), 2)
    one_at_a_time = _exceeds_memory(device, entry, sides)
    blocks = alternate(sides, partial(_generate, workload=workload), plan, repeats, one_at_a_time=one_at_a_time)
    yield from _compare(f"single.{subject.net}", subject.title, "s", blocks)


def crowd(plan: Plan, device: torch.device) -> Iterator[Figure]:
    """Different tasks, all submitted at once: the time of all, and the average time until each image is ready."""
    models, workloads = catalog.read(plan.models), mixed_workloads(plan)
    first = workloads[0]
    entry = models.find(MAIN)
    bare, hua = DiffusersSide(entry, device), HuaSide(models, device, first, plan.learning_s)
    waits: dict[str, list[float]] = {bare.name: [], hua.name: []}

    def work(side: Side) -> None:
        waits[side.name].append(mean(_completion_times(side, workloads)))

    short = plan.model_copy(update={"warm_ups": 1})
    one_at_a_time = _exceeds_memory(device, entry, [bare, hua])
    blocks = alternate([bare, hua], work, short, max(plan.repeats // 3, 1), one_at_a_time=one_at_a_time)
    title = f"{len(workloads)} different tasks at once"
    yield from _compare("crowd", title, "s", blocks)
    yield Figure.of(
        "crowd.images",
        f"{title}: images",
        "images/s",
        [len(workloads) / each_s for each_s in join_blocks(blocks["hua"])],
    )
    difference = ratio("crowd.waits", "", *(_halves(waits[name]) for name in ("hua", "bare")))
    yield difference.model_copy(update={"title": f"{title}: mean time to an image, hua / bare one by one"})
    yield from _alone_and_together(plan, models, device)


def _alone_and_together(plan: Plan, models: Catalog, device: torch.device) -> Iterator[Figure]:
    """Equal tasks at once, and whether each image is identical to the one generated alone."""
    workloads = equal_workloads(plan, plan.crowd)
    hua = HuaSide(models, device, workloads[0], plan.learning_s)
    hua.load()
    alone = [hua.generate(workload) for workload in workloads]
    seconds, together = [], []
    for _ in range(max(plan.repeats // 3, 1)):
        began = time.perf_counter()
        together = [png for png, _ in hua.generate_all(workloads)]
        seconds.append(time.perf_counter() - began)
    hua.unload()
    title = f"{len(workloads)} of {workloads[0].width}×{workloads[0].height}, {workloads[0].steps} steps, at once"
    yield Figure.of("equal.images", f"{title}: images", "images/s", [len(workloads) / each_s for each_s in seconds])
    same = sum(one == other for one, other in zip(alone, together, strict=True))
    yield Figure(
        name="equal.same",
        title=f"{title}: bit-identical to the image generated alone",
        unit="%",
        value=100 * same / len(workloads),
    )


def _compare(name: str, title: str, unit: str, blocks: dict[str, list[list[float]]]) -> Iterator[Figure]:
    for side, samples in blocks.items():
        yield Figure.of(f"{name}.{side}", f"{title}: {side}", unit, join_blocks(samples))
    for base in ("bare", "compiled"):
        if base in blocks:
            yield ratio(f"{name}.{base}/hua", f"{title}: {base} / hua", blocks[base], blocks["hua"])


def _halves(samples: Sequence[float]) -> list[Sequence[float]]:
    """The samples of each block, without the one warm-up of each block."""
    half = len(samples) // 2
    return [samples[1:half], samples[half + 1 :]]


def _generate(side: Side, workload: Workload) -> None:
    assert isinstance(side, DiffusersSide | HuaSide)  # noqa: S101
    side.generate(workload)


def _completion_times(side: Side, workloads: Sequence[Workload]) -> list[float]:
    """Seconds until each image is ready."""
    if isinstance(side, HuaSide):
        return [end for _, end in side.generate_all(workloads)]
    assert isinstance(side, DiffusersSide)  # noqa: S101
    began, ends = time.perf_counter(), []
    for workload in workloads:
        side.generate(workload)
        ends.append(time.perf_counter() - began)
    return ends


def _exceeds_memory(device: torch.device, entry: ModelEntry, sides: Sequence[Side]) -> bool:
    """Whether the weights of all sides together exceed the device's memory."""
    if device.type != "cuda":
        return False
    return len(sides) * entry.bytes + SPARE_BYTES > torch.cuda.mem_get_info(device)[1]
