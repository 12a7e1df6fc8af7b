"""Every way in which a part can end is told as its own, and the parts after it run."""

import os
import time
from pathlib import Path

import pytest

from benchmarks.gpu_day.plan import DayPlan
from benchmarks.gpu_day.result import PartResult
from benchmarks.gpu_day.runner import LIMIT_S, Part, read_result, run_parts

ENOUGH_S, HANGS_S = 600.0, 3.0
CRASHES = {"raises", "leaves", "hangs", "segfaults", "out_of_memory"}
"""Parts that have found something before."""
ENDS = {
    "wrong": ("wrong", "replay equals eager"),
    "skips": ("skipped", "only CUDA has graphs"),
    "raises": ("failed", "RuntimeError: CUDA error: an illegal memory access was encountered"),
    "leaves": ("failed", "ended with 3 and without a result; its last words: terminate called"),
    "hangs": ("failed", "killed after 3 s, at day_parts.py:"),
    "segfaults": ("failed", "killed by SIGSEGV, at day_parts.py:"),
    "out_of_memory": ("failed", "killed by SIGKILL; the kernel does this when memory is short"),
    "not_a_number": ("failed", "returned nonsense: one image is nan s"),
    "no_time": ("failed", "returned nonsense: one image is 0 s"),
    "no_finding": ("failed", "returned 'all is well', which is neither a check nor a figure"),
    "nothing": ("failed", "returned nothing"),
    "garbage": ("failed", "wrote what is no result: "),
    "unknown": ("failed", "AttributeError: module 'tests.support.day_parts' has no attribute 'unknown'"),
    "right": ("right", ""),
}


def part(name: str, limit_s: float = LIMIT_S, **more: object) -> Part:
    return Part(name, "a group", f"title of {name}", f"tests.support.day_parts:{name}", limit_s, **more)


@pytest.fixture
def plan(tmp_path: Path) -> DayPlan:
    return DayPlan(results=tmp_path, models=tmp_path / "models", device="cpu", small=True)


def run(plan: DayPlan, *parts: Part, seconds: float = ENOUGH_S) -> dict[str, PartResult | None]:
    return {part.name: result for part, result in run_parts(plan, parts, os.environ, seconds)}


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PartResult | None]:
    """One run of all these parts."""
    folder = tmp_path_factory.mktemp("day")
    plan = DayPlan(results=folder, models=folder / "models", device="cpu", small=True)
    return run(plan, *(part(name, HANGS_S if name == "hangs" else LIMIT_S) for name in ENDS))


@pytest.mark.parametrize("name", ENDS)
def test_part_ends_with_a_verdict_and_a_reason(day: dict[str, PartResult | None], name: str) -> None:
    result = day[name]
    assert result is not None
    verdict, reason = ENDS[name]
    assert (result.verdict, result.reason[: len(reason)]) == (verdict, reason)
    if name in CRASHES:
        assert [check.title for check in result.checks] == ["found before"]


def test_children_end_with_their_part(plan: DayPlan) -> None:
    run(plan, part("leaves_a_child"))
    child = int((plan.results / "child").read_text())
    while is_running(child):  # the kernel ends it soon after it was killed
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_part_with_a_result_is_not_run_again(plan: DayPlan) -> None:
    for _ in range(2):
        assert run(plan, part("counts"))["counts"]
    assert (plan.results / "runs").read_text() == "r"
    (plan.results / "parts" / "counts.json").write_text("half a resu")
    run(plan, part("counts"))
    assert (plan.results / "runs").read_text() == "rr"


def test_part_whose_product_is_gone_runs_again(plan: DayPlan) -> None:
    builds = part("counts", needs=lambda plan: plan.results / "runs")
    run(plan, builds)
    assert read_result(plan, builds) is not None
    (plan.results / "runs").unlink()
    assert read_result(plan, builds) is None


def test_part_cut_off_by_the_end_of_the_run_has_no_result(plan: DayPlan) -> None:
    cut = run(plan, part("hangs"), part("right"), seconds=1.0)
    assert cut == {"hangs": None, "right": None}
    assert run(plan, part("right"))["right"]
