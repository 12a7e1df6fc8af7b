"""Parts of `benchmarks.gpu_day` that end in each way in which a process can end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.gpu_day.plan import DayPlan
from benchmarks.gpu_day.result import Check, Finding, SkippedError
from server.commands.bench.results import Figure


def right(plan: DayPlan) -> Iterator[Finding]:
    yield Check(title="it holds", passed=True, found="0 of 3 differ")
    yield Figure.of("single.sd1.hua", "one image", "s", [0.2, 0.3])


def wrong(plan: DayPlan) -> Iterator[Finding]:
    yield Check(title="replay equals eager", passed=False, found="3 of 3 differ")
    yield Check(title="it is finite", passed=True)


def skips(plan: DayPlan) -> Iterator[Finding]:
    raise SkippedError("only CUDA has graphs")
    yield


def raises(plan: DayPlan) -> Iterator[Finding]:
    yield Check(title="found before", passed=True)
    raise RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be …")


def leaves(plan: DayPlan) -> Iterator[Finding]:
    """As a library does that gives up."""
    yield Check(title="found before", passed=True)
    sys.stderr.write("terminate called after throwing an instance of 'c10::Error'\n")
    sys.stderr.flush()
    os._exit(3)


def hangs(plan: DayPlan) -> Iterator[Finding]:
    yield Check(title="found before", passed=True)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wait_for_the_device()


def wait_for_the_device() -> None:
    while True:
        time.sleep(0.05)


def segfaults(plan: DayPlan) -> Iterator[Finding]:
    yield Check(title="found before", passed=True)
    os.kill(os.getpid(), signal.SIGSEGV)


def out_of_memory(plan: DayPlan) -> Iterator[Finding]:
    yield Check(title="found before", passed=True)
    os.kill(os.getpid(), signal.SIGKILL)


def not_a_number(plan: DayPlan) -> Iterator[Finding]:
    yield Figure.of("single.sd1.hua", "one image", "s", [float("nan")])


def no_time(plan: DayPlan) -> Iterator[Finding]:
    yield Figure(name="single.sd1.hua", title="one image", unit="s", value=0)


def no_finding(plan: DayPlan) -> Iterator[Any]:
    yield "all is well"


def nothing(plan: DayPlan) -> Iterator[Finding]:
    yield from ()


def garbage(plan: DayPlan) -> Iterator[Finding]:
    """As two processes that write into one file."""
    with (plan.results / "logs" / "garbage.jsonl").open("a") as lines:
        lines.write('{"check": {"title": "half a li')
    yield Check(title="found after", passed=True)


def leaves_a_child(plan: DayPlan) -> Iterator[Finding]:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (plan.results / "child").write_text(str(child.pid))
    yield Check(title="it holds", passed=True)


def counts(plan: DayPlan) -> Iterator[Finding]:
    """Leaves a letter at each run."""
    with (plan.results / "runs").open("a") as runs:
        runs.write("r")
    yield Check(title="it holds", passed=True)
