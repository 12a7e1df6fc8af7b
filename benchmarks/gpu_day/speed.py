"""The parts of `hua bench`, as parts of the day. Their failures are those of the day's part."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from benchmarks.gpu_day.plan import DayPlan
from benchmarks.gpu_day.result import Finding, SkippedError
from models import catalog
from server.commands.bench import components, generation
from server.commands.bench.plan import MAIN


def single_sd1(plan: DayPlan) -> Iterator[Finding]:
    yield from _single(plan, catalog.read(plan.full_models).find(MAIN).family)


def single_controlnet(plan: DayPlan) -> Iterator[Finding]:
    yield from _single(plan, "controlnet")


def single_sdxl(plan: DayPlan) -> Iterator[Finding]:
    yield from _single(plan, "sdxl")


def _single(plan: DayPlan, net: str) -> Iterator[Finding]:
    bench, models = plan.bench(), catalog.read(plan.full_models)
    for subject in generation.subjects(bench, models):
        if subject.net == net:
            yield from generation.compare_subject(bench, torch.device(plan.device), models, subject)


def crowd(plan: DayPlan) -> Iterator[Finding]:
    yield from generation.crowd(plan.bench(), torch.device(plan.device))


def curve(plan: DayPlan) -> Iterator[Finding]:
    yield from components.curve(plan.bench(), torch.device(plan.device))


def pieces(plan: DayPlan) -> Iterator[Finding]:
    yield from components.pieces(plan.bench(), torch.device(plan.device))


def swap(plan: DayPlan) -> Iterator[Finding]:
    yield from components.swap(plan.bench(), torch.device(plan.device))


def idle(plan: DayPlan) -> Iterator[Finding]:
    if not plan.device.startswith("cuda"):
        raise SkippedError("only CUDA reports when its kernels run")
    yield from components.idle(plan.bench(), torch.device(plan.device))
