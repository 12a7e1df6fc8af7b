"""Whole pictures: one after another, and a crowd at once, beside bare diffusers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean

import torch

from models import catalog
from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from server.commands.bench.alternation import Side, in_turns
from server.commands.bench.diffusers_side import Bare
from server.commands.bench.hua_side import Ours
from server.commands.bench.plan import CANNY, LARGE, PAINTER, Plan
from server.commands.bench.results import Figure, joined, ratio
from server.commands.bench.workloads import Workload, equal, mixed, outlines

SPARE_BYTES = 3 << 30
"""Of device memory, for activations, beside the weights of all sides."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One picture that is painted again and again. `by` says which net paints it."""

    by: str
    title: str
    wish: Workload
    share: float = 1.0
    """Of the plan's repeats: what takes ten times as long is done less often."""


def subjects(plan: Plan, models: Catalog) -> Iterator[Subject]:
    names = {entry.name for entry in models}
    width, height, steps = plan.size(512, 512, 20)
    family = models.find(PAINTER).family
    yield Subject(family, f"{family}, {width}×{height}, {steps} steps", Workload(width, height, steps, seed=1))
    if CANNY in names:
        guided = Workload(width, height, steps, seed=1, picture=outlines(width, height), control=True)
        yield Subject("controlnet", f"{family} and a ControlNet, {width}×{height}, {steps} steps", guided, 0.5)
    if LARGE in names:
        width, height, steps = plan.size(1024, 1024, 30)
        wish = Workload(width, height, steps, seed=1, model=LARGE)
        yield Subject("sdxl", f"sdxl, {width}×{height}, {steps} steps", wish, 0.5)


def single(plan: Plan, device: torch.device) -> Iterator[Figure]:
    """One picture after another, from its words to its PNG, by each side in turns."""
    models = catalog.read(plan.models)
    for subject in subjects(plan, models):
        entry, wish = models.find(subject.wish.model), subject.wish
        sides: list[Side] = [
            Bare(entry, device, models.find(CANNY) if wish.control else None),
            Ours(models, device, wish, plan.learning_s),
        ]
        if not plan.no_compile and subject.by == models.find(PAINTER).family:
            sides.append(Bare(entry, device, compiled=True))
        repeats = max(round(plan.repeats * subject.share), 2)
        blocks = in_turns(sides, lambda side: _paint(side, wish), plan, repeats, tight=_tight(device, entry, sides))  # noqa: B023
        yield from _compared(f"single.{subject.by}", subject.title, "s", blocks)
    if plan.no_compile:
        yield Figure.none("single.compiled", "one picture by compiled diffusers", f"skipped: {plan.no_compile}")


def crowd(plan: Plan, device: torch.device) -> Iterator[Figure]:
    """Unlike tasks, all handed in at once: how long all take, and how long each waits on the average."""
    models, wishes = catalog.read(plan.models), mixed(plan)
    first = wishes[0]
    entry = models.find(PAINTER)
    bare, ours = Bare(entry, device), Ours(models, device, first, plan.learning_s)
    waits: dict[str, list[float]] = {bare.name: [], ours.name: []}

    def work(side: Side) -> None:
        waits[side.name].append(mean(_ends(side, wishes)))

    short = plan.model_copy(update={"warm_ups": 1})
    tight = _tight(device, entry, [bare, ours])
    blocks = in_turns([bare, ours], work, short, max(plan.repeats // 3, 1), tight=tight)
    title = f"{len(wishes)} unlike tasks at once"
    yield from _compared("crowd", title, "s", blocks)
    yield Figure.of(
        "crowd.images", f"{title}: images", "images/s", [len(wishes) / each for each in joined(blocks["hua"])]
    )
    apart = ratio("crowd.waits", "", *(_halves(waits[name]) for name in ("hua", "bare")))
    yield apart.model_copy(update={"title": f"{title}: mean time to a picture, hua / bare one by one"})
    yield from _alone_and_together(plan, models, device)


def _alone_and_together(plan: Plan, models: Catalog, device: torch.device) -> Iterator[Figure]:
    """Equal tasks at once, and whether each comes out as it does alone."""
    wishes = equal(plan, plan.crowd)
    ours = Ours(models, device, wishes[0], plan.learning_s)
    ours.bring()
    alone = [ours.paint(wish) for wish in wishes]
    seconds, together = [], []
    for _ in range(max(plan.repeats // 3, 1)):
        began = time.perf_counter()
        together = [png for png, _ in ours.paint_all(wishes)]
        seconds.append(time.perf_counter() - began)
    ours.leave()
    title = f"{len(wishes)} of {wishes[0].width}×{wishes[0].height}, {wishes[0].steps} steps, at once"
    yield Figure.of("equal.images", f"{title}: images", "images/s", [len(wishes) / each for each in seconds])
    same = sum(one == other for one, other in zip(alone, together, strict=True))
    yield Figure(
        name="equal.same",
        title=f"{title}: the same to the bit as painted alone",
        unit="%",
        value=100 * same / len(wishes),
    )


def _compared(name: str, title: str, unit: str, blocks: dict[str, list[list[float]]]) -> Iterator[Figure]:
    for side, samples in blocks.items():
        yield Figure.of(f"{name}.{side}", f"{title}: {side}", unit, joined(samples))
    for base in ("bare", "compiled"):
        if base in blocks:
            yield ratio(f"{name}.{base}/hua", f"{title}: {base} / hua", blocks[base], blocks["hua"])


def _halves(samples: Sequence[float]) -> list[Sequence[float]]:
    """The samples of each block: those of warm-ups, of which each block has one, are left out."""
    half = len(samples) // 2
    return [samples[1:half], samples[half + 1 :]]


def _paint(side: Side, wish: Workload) -> None:
    assert isinstance(side, Bare | Ours)  # noqa: S101
    side.paint(wish)


def _ends(side: Side, wishes: Sequence[Workload]) -> list[float]:
    """After how many seconds each picture is there."""
    if isinstance(side, Ours):
        return [end for _, end in side.paint_all(wishes)]
    assert isinstance(side, Bare)  # noqa: S101
    began, ends = time.perf_counter(), []
    for wish in wishes:
        side.paint(wish)
        ends.append(time.perf_counter() - began)
    return ends


def _tight(device: torch.device, entry: ModelEntry, sides: Sequence[Side]) -> bool:
    """Whether the device's memory is too small for the weights of all sides at once."""
    if device.type != "cuda":
        return False
    return len(sides) * entry.bytes + SPARE_BYTES > torch.cuda.mem_get_info(device)[1]
