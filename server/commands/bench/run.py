"""One run: the models, each part in a process of its own, the report."""

from __future__ import annotations

import argparse
import asyncio
import logging
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from server.commands.bench import environment, hosted_service, plots, service
from server.commands.bench.bench_models import write_models
from server.commands.bench.environment import DeviceError, Facts
from server.commands.bench.multi_gpu import measure_lanes
from server.commands.bench.plan import ON_DEVICE, PARTS, Part, Plan
from server.commands.bench.report import Report
from server.commands.bench.results import Figure
from server.settings import Settings, SettingsError
from server.worker.device_process import torch_environment

log = logging.getLogger(__name__)


def bench(arguments: argparse.Namespace, settings: Settings) -> Report:
    """Runs the requested parts, and writes the report into the folder `plan.out`. Raises SettingsError."""
    if arguments.toy and arguments.model:
        raise SettingsError("--toy and --model name different models; give one of them")
    if not arguments.no_plots:
        plots.need_matplotlib()
    began = datetime.now(UTC)
    out: Path = (arguments.out or Path(f"bench-{began:%Y%m%d-%H%M}")).resolve()
    out.mkdir(parents=True, exist_ok=True)
    facts = _facts(settings, arguments.device)
    plan = _plan(arguments, out, facts)
    try:
        write_models(plan.models, plan.weights, arguments.model, settings, plan.device)
        (out / "plan.json").write_text(plan.model_dump_json(), encoding="utf-8")
        with environment.record_load(facts):
            figures = list(_measure_all(plan, settings))
            figures += _start_ratio(figures)
            figures += hosted_service.images_per_minute(plan, figures)
    finally:
        if not arguments.keep_models:
            shutil.rmtree(plan.models, ignore_errors=True)
        shutil.rmtree(out / "data", ignore_errors=True)
    drawn = [] if arguments.no_plots else plots.draw(figures, out)
    command = shlex.join(["hua", *sys.argv[1:]])
    report = Report(plan, facts, figures, command, f"{began:%Y-%m-%d %H:%M} UTC")
    report.write(out, drawn)
    return report


def _facts(settings: Settings, device: str) -> Facts:
    try:
        return environment.read_device(settings, device) | environment.read_driver() | environment.read_machine()
    except DeviceError as error:
        raise SettingsError(f"{error}; install hua[device], or choose another device with --device") from error


def _plan(arguments: argparse.Namespace, out: Path, facts: Facts) -> Plan:
    device, quick, toy = str(facts["device"]), arguments.quick, arguments.toy
    skip_reason = "--quick" if quick else "--no-compile" if arguments.no_compile else ""
    if device == "cpu" and not skip_reason:
        skip_reason = "on a CPU it would compare compilers, not servers"
    parts: tuple[Part, ...] = tuple(arguments.only or (part for part in PARTS if not (quick and part == "cold")))
    return Plan(
        out=out,
        models=out / "models",
        device=device,
        weights="toy" if toy else "installed" if arguments.model else "random",
        parts=parts,
        warm_ups=1 if quick else 5,
        repeats=2 if quick else 10,
        crowd=5 if quick and toy else 16,
        scale=1 if not toy else 8 if quick else 4,
        hurry=5 if toy and quick else 1,
        lanes=arguments.lanes or max(int(str(facts["gpus"])), 1),
        no_compile=skip_reason,
        url=arguments.url,
    )


def _measure_all(plan: Plan, settings: Settings) -> Iterator[Figure]:
    """All figures, one part after another; a failed part does not stop the next one."""
    inside = [part for part in plan.parts if part in ON_DEVICE]
    groups = [inside] if plan.weights == "toy" else [[part] for part in inside]
    for group in groups:
        if group:
            yield from _on_device(plan, settings, group)
    for part, work in (("service", _service), ("cold", _cold), ("lanes", _lanes)):
        if part in plan.parts:
            log.info("measuring: %s", part)
            yield from _with_failures(part, work(plan, settings))


def _start_ratio(figures: Sequence[Figure]) -> list[Figure]:
    """The ratio of the two cold starts, if both were measured."""
    starts = {figure.name: figure.value for figure in figures if figure.value is not None}
    if not {"cold.bare", "cold.hua"} <= set(starts):
        return []
    title = "cold start to the first image: bare / hua"
    return [Figure(name="cold.bare/hua", title=title, unit="×", value=starts["cold.bare"] / starts["cold.hua"])]


def _on_device(plan: Plan, settings: Settings, parts: Sequence[Part]) -> Iterator[Figure]:
    """Runs parts in one process; if it dies, one figure reports the failure."""
    log.info("measuring: %s", ", ".join(parts))
    lines = plan.out / f"{'-'.join(parts)}.jsonl"
    lines.unlink(missing_ok=True)
    command = [
        sys.executable,
        "-m",
        "server.commands.bench.device_child",
        str(plan.out / "plan.json"),
        str(lines),
        *parts,
    ]
    done = subprocess.run(command, env=torch_environment(settings), check=False)
    if lines.exists():
        for line in lines.read_text(encoding="utf-8").splitlines():
            yield Figure.model_validate_json(line)
        lines.unlink()
    if done.returncode:
        why = f"failed: the process exited with {done.returncode}"
        yield Figure.missing(parts[-1], f"the parts {', '.join(parts)}", why)


def _service(plan: Plan, settings: Settings) -> Iterator[Figure]:
    return service.measure_service(plan)


def _cold(plan: Plan, settings: Settings) -> Iterator[Figure]:
    return service.diffusers_start(plan, plan.out / "bare.log")


def _lanes(plan: Plan, settings: Settings) -> Iterator[Figure]:
    count = plan.lanes or 1
    if count < 2:
        yield Figure.missing("lanes.share", "several GPUs", "skipped: there is only one GPU")
        return

    async def collect() -> list[Figure]:
        return [figure async for figure in measure_lanes(plan, settings, count)]

    yield from asyncio.run(collect())


def _with_failures(part: str, figures: Iterator[Figure]) -> Iterator[Figure]:
    """The figures of a part; an exception becomes a figure with a note."""
    try:
        yield from figures
    except Exception as error:
        log.exception("%s could not be measured", part)
        yield Figure.missing(part, f"the part {part!r}", f"failed: {type(error).__name__}: {error}")
