"""The day on the CPU with toys: each fault of a card is told as that of its part, and all others are right."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
MINUTES = 60
FAULTS = {
    "replay": ("nan", "wrong", "bit for bit"),
    "switch": ("capture", "wrong", "nothing is captured again"),
    "single-sd1": ("raise", "failed", "an operation of a kernel failed"),
    "crowd": ("sticky", "failed", "700"),
    "memory": ("oom", "failed", "OutOfMemoryError"),
    "swap": ("segfault", "failed", "SIGSEGV"),
    "single-sdxl": ("killed", "failed", "SIGKILL"),
}
RIGHT = {
    **dict.fromkeys(("toys", "parity-toys", "fallback", "split"), "right"),
    "full-size": "skipped",  # needs CUDA
}
"""Verdicts of parts that no fault is put into."""
HANGS_S = 20

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="module")
def gpu_day(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Run:
    """Runs the command; its exit code, and the results by part."""
    folder = tmp_path_factory.mktemp("gpu_day")
    command = [sys.executable, "-m", "benchmarks.gpu_day", "--device", "cpu", "--small"]
    command += ["--results", str(folder / "results"), "--models", str(folder / "models")]

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        environment = os.environ | {"HUA_MODELS_DIR": str(models_dir)}
        done = subprocess.run([*command, *arguments], cwd=ROOT, env=environment, check=False)
        report = json.loads((folder / "results" / "report.json").read_text())
        assert "| part |" in (folder / "results" / "report.md").read_text()
        return done.returncode, {each["part"]: each["result"] for each in report["parts"]}

    return run


@pytest.mark.timeout(60 * MINUTES)
def test_day_tells_faults_and_goes_on(gpu_day: Run) -> None:
    """Some parts: all of them take five minutes (`python -m benchmarks.gpu_day --device cpu --small`)."""
    injected = [argument for part, (fault, *_) in FAULTS.items() for argument in ("--inject", f"{part}={fault}")]
    code, results = gpu_day("--only", *FAULTS, *RIGHT, *injected)
    assert code == 1
    for part, (_, verdict, reason) in FAULTS.items():
        assert (results[part]["verdict"], reason in results[part]["reason"]) == (verdict, True), results[part]
    assert {name: results[name]["verdict"] for name in RIGHT} == RIGHT

    code, results = gpu_day("--only", "switch", "--again", "switch")
    assert results["switch"]["verdict"] == "right"

    hang = ("--again", "attention", "--inject", "attention=hang", "--limit", str(HANGS_S))
    code, results = gpu_day("--only", "attention", *hang)
    assert results["attention"]["reason"].startswith(f"killed after {HANGS_S} s")
