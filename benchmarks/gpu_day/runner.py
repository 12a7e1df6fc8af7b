"""Runs parts one after another, each in a process of its own with a time limit, and keeps each result in a file.

Whatever a part does to its process or to its device, the next one starts in a fresh process.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.gpu_day.plan import DayPlan
from benchmarks.gpu_day.result import Check, PartResult, Verdict
from server.commands.bench.results import Figure

ROOT = Path(__file__).parents[2]
LIMIT_S = 480.0
DEAD_S = 10.0
"""How long a killed process may take to end: one that hangs in a driver may never do."""
STACK = re.compile(r'^(Current thread|Thread) 0x\S+ .*\n  File "(.+)", line (\d+) in (\S+)', re.MULTILINE)
"""As faulthandler writes a thread: its innermost frame comes first, and the main thread last."""


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    group: str
    """Its heading in the report."""
    title: str
    """What holds, or what is measured."""
    function: str
    """`module:name` of a function that takes the plan and yields findings."""
    limit_s: float = LIMIT_S
    needs: Callable[[DayPlan], Path] | None = None
    """What it writes besides its findings: if that is gone, the part runs again."""


def result_file(plan: DayPlan, part: Part) -> Path:
    return plan.results / "parts" / f"{part.name}.json"


def read_result(plan: DayPlan, part: Part) -> PartResult | None:
    """The result of an earlier run; None if there is none, or it cannot be used."""
    if part.needs is not None and not part.needs(plan).exists():
        return None
    with contextlib.suppress(OSError, ValueError):
        return PartResult.model_validate_json(result_file(plan, part).read_text(encoding="utf-8"))
    return None


def run_parts(
    plan: DayPlan, parts: Sequence[Part], environment: Mapping[str, str], seconds: float
) -> Iterator[tuple[Part, PartResult | None]]:
    """Runs the parts that have no result yet. A part that is cut off because the `seconds` of the run are over has
    none (None), and runs when the run is repeated."""
    deadline = time.monotonic() + seconds
    for part in parts:
        if (known := read_result(plan, part)) is not None:
            yield part, known
            continue
        left = deadline - time.monotonic()
        limit = min(part.limit_s, left)
        result = run_part(plan, part, environment, limit) if left > 0 else None
        if result is not None and limit < part.limit_s and result.seconds >= limit:
            result = None
        if result is not None:
            result.write(result_file(plan, part))
        yield part, result


def run_part(plan: DayPlan, part: Part, environment: Mapping[str, str], limit_s: float) -> PartResult:
    """Runs one part to its end, or to its limit."""
    log, lines = (plan.results / "logs" / f"{part.name}.{kind}" for kind in ("log", "jsonl"))
    log.parent.mkdir(parents=True, exist_ok=True)
    lines.unlink(missing_ok=True)
    plan_file = plan.results / "plan.json"
    plan_file.write_text(plan.model_dump_json(indent=1) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", f"{__package__}.part_process", str(plan_file)]
    command += [part.name, part.function, str(lines), str(limit_s)]
    began, date = time.monotonic(), f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    with log.open("wb") as output:
        # In a session of its own, so that its children are killed with it.
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
        try:
            code: int | None = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _kill_session(process)
    found = _read_lines(lines)
    verdict, reason = _judge(found, code, limit_s, log.read_text(encoding="utf-8", errors="replace"))
    return PartResult(
        part=part.name,
        verdict=verdict,
        reason=reason,
        seconds=round(time.monotonic() - began, 1),
        date=date,
        commit=_commit(),
        checks=found.checks,
        figures=found.figures,
    )


@dataclass(frozen=True, slots=True)
class Found:
    """What a part's process has written."""

    checks: tuple[Check, ...] = ()
    figures: tuple[Figure, ...] = ()
    end: str = ""
    """right, skipped or failed; empty if the process did not come to its end."""
    reason: str = ""
    unreadable: str = ""
    """The first line that is no finding."""


def _read_lines(file: Path) -> Found:
    checks, figures, end, reason = [], [], "", ""
    text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    for line in text.splitlines():
        try:
            match json.loads(line):
                case {"check": fields}:
                    checks.append(Check.model_validate(fields))
                case {"figure": fields}:
                    figures.append(Figure.model_validate(fields))
                case {"end": str(end), "reason": str(reason)}:
                    pass
                case _:
                    raise ValueError("neither a finding nor the end")
        except ValueError:
            return Found(tuple(checks), tuple(figures), unreadable=line[:100])
    return Found(tuple(checks), tuple(figures), end, reason)


def _judge(found: Found, code: int | None, limit_s: float, log: str) -> tuple[Verdict, str]:
    """The verdict over a part whose process ended with `code`, None if it was killed at the limit."""
    if code is None:
        return "failed", f"killed after {limit_s:.0f} s{_place(log)}"
    if found.unreadable:
        return "failed", f"wrote what is no result: {found.unreadable!r}"
    match found.end:
        case "skipped":
            return "skipped", found.reason
        case "failed":
            return "failed", found.reason
        case "":
            return "failed", _why_dead(code, log)
    if wrong := [check.title for check in found.checks if not check.passed]:
        return "wrong", "; ".join(wrong)
    return "right", ""


def _why_dead(code: int, log: str) -> str:
    """Why a process ended that did not come to its end."""
    if code == -signal.SIGKILL:
        return "killed by SIGKILL; the kernel does this when memory is short, and then says so in its log (dmesg)"
    if code < 0:
        return f"killed by {signal.Signals(-code).name}{_place(log)}"
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
    return f"ended with {code} and without a result" + (f"; its last words: {last[:200]}" if last else "")


def _place(log: str) -> str:
    """Where the process was, if faulthandler has written it."""
    threads = list(STACK.finditer(log))
    guilty = [each for each in threads if each[1] == "Current thread"] or threads[-1:]
    return f", at {Path(guilty[0][2]).name}:{guilty[0][3]} in {guilty[0][4]}" if guilty else ""


def _kill_session(process: subprocess.Popen[bytes]) -> None:
    """Ends the process, and children that it has left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(DEAD_S)


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
