"""What to do with a GPU in its first hours: is it right, how fast is it, where does the time go.

    python -m benchmarks.gpu_day --results benchmarks/results/NAME

runs each part in a process of its own, for eight minutes at most, and prints a table. A part whose result is in the
folder is not run again, so the command may be stopped at any time and repeated. A part that fails is told, and the
others run. `--device cpu --small` tries all of it with toys. Exits with 1 if a part is wrong or has failed.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from benchmarks.gpu_day.parts import PARTS
from benchmarks.gpu_day.plan import DayPlan, Fault
from benchmarks.gpu_day.report import NOT_RUN, DayReport
from benchmarks.gpu_day.runner import LIMIT_S, ROOT, read_result, result_file, run_parts
from server.commands.bench import environment
from server.commands.bench.environment import DeviceError
from server.settings import Settings
from server.worker.device_process import torch_environment

SAME = ("name", "driver_version", "torch", "small")
"""Facts that all results of a folder share."""
NAMES = [part.name for part in PARTS]


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = _parser().parse_args(arguments)
    settings = Settings.load()
    chosen.results.mkdir(parents=True, exist_ok=True)
    try:
        facts = environment.read_device(settings, chosen.device) | {"small": chosen.small}
    except DeviceError as error:
        sys.exit(f"gpu_day: {error}")
    facts |= environment.read_driver() | environment.read_machine()
    if problem := _other_machine(chosen.results / "environment.json", facts):
        sys.exit(f"gpu_day: {problem}")
    plan = DayPlan(
        results=chosen.results.resolve(),
        models=chosen.models.resolve(),
        device=str(facts["device"]),
        small=chosen.small,
        faults=dict(chosen.inject),
    )
    parts = [
        replace(part, limit_s=min(part.limit_s, chosen.limit))
        for part in PARTS
        if not chosen.only or part.name in chosen.only
    ]
    _forget(plan, chosen.again)
    for part, result in run_parts(plan, parts, torch_environment(settings), 60 * chosen.minutes):
        verdict = f"{result.verdict:8}{result.seconds:5.0f} s  {result.reason}" if result else NOT_RUN
        print(f"{part.name:18} {verdict}", flush=True)
    results = [(part, read_result(plan, part)) for part in PARTS]
    command = shlex.join(["python", "-m", "benchmarks.gpu_day", *(arguments or sys.argv[1:])])
    report = DayReport(plan, facts, results, command, f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    report.write()
    print("", *report.table, "", report.summary, plan.results / "report.md", sep="\n")
    return int(any(result is not None and result.bad for _, result in results))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_day", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, required=True, help="folder of the results")
    parser.add_argument("--models", type=Path, default=ROOT / "build" / "gpu-day", help="where models are built: 10 GB")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda:N")
    parser.add_argument("--small", action="store_true", help="toys and small images; no number means anything")
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="PART", help=f"run only these: {', '.join(NAMES)}")
    again = [*NAMES, "bad"]
    parser.add_argument(
        "--again", nargs="+", default=[], choices=again, metavar="PART", help="run these again; bad: all that failed"
    )
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds after which a part is killed")
    parser.add_argument(
        "--minutes", type=float, default=24 * 60, help="stop after so many; repeat the command for the rest"
    )
    parser.add_argument(
        "--inject",
        action="append",
        default=[],
        type=_fault,
        metavar="PART=FAULT",
        help=f"let a part fail as a card does, to see that it is told: {', '.join(get_args(Fault))}",
    )
    return parser


def _fault(text: str) -> tuple[str, str]:
    part, _, fault = text.partition("=")
    if part not in NAMES or fault not in get_args(Fault):
        raise argparse.ArgumentTypeError(f"{text!r} is not PART=FAULT")
    return part, fault


def _other_machine(file: Path, facts: Mapping[str, object]) -> str:
    """Why the folder cannot take results of this machine; empty if it can. The first run writes the file."""
    if not file.exists():
        file.write_text(json.dumps(facts, indent=1) + "\n")
        return ""
    known = json.loads(file.read_text())
    if different := [name for name in SAME if known.get(name) != facts.get(name)]:
        what = ", ".join(f"{name} {known.get(name)!r}, now {facts.get(name)!r}" for name in different)
        return f"{file.parent} has results of another kind ({what}); choose another folder for --results"
    return ""


def _forget(plan: DayPlan, again: Sequence[str]) -> None:
    """Deletes the results of parts that are to be run again."""
    for part in PARTS:
        known = read_result(plan, part)
        if part.name in again or ("bad" in again and known is not None and known.bad):
            result_file(plan, part).unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
