"""The tests of the suite that need CUDA."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.gpu_day.plan import DayPlan
from benchmarks.gpu_day.result import Check, Finding, SkippedError
from benchmarks.gpu_day.runner import ROOT

NEEDS_CUDA = re.compile(r"skipif\(\s*not torch\.cuda\.is_available\(\)")
"""How a test says that it does."""
PLUGINS = ("pytest_asyncio", "pytest_timeout", "xdist")
"""That pyproject.toml has options of."""


def cuda_tests(plan: DayPlan) -> Iterator[Finding]:
    if missing := [name for name in ("pytest", *PLUGINS, "hypothesis") if importlib.util.find_spec(name) is None]:
        raise SkippedError(f"not installed: {', '.join(missing)}")
    files = [str(file.relative_to(ROOT)) for file in _files()]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n0", "-rs", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.strip().splitlines() or ["no output"]
    sys.stderr.write(done.stdout[-20_000:] + done.stderr[-20_000:])
    yield Check(title="they pass", passed=done.returncode == 0, found=lines[-1])
    if plan.device.startswith("cuda"):
        skipped = [line for line in lines if line.startswith("SKIPPED") and "CUDA" in line]
        yield Check(title="none is skipped", passed=not skipped, found=f"{len(skipped)} skipped")


def _files() -> list[Path]:
    tests = sorted((ROOT / "tests").rglob("test_*.py"))
    return [file for file in tests if NEEDS_CUDA.search(file.read_text(encoding="utf-8"))]
