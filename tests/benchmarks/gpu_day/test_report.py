import json
from pathlib import Path

from benchmarks.gpu_day.plan import DayPlan
from benchmarks.gpu_day.report import DayReport
from benchmarks.gpu_day.result import Check, PartResult
from benchmarks.gpu_day.runner import Part
from server.commands.bench.results import Figure

FACTS = {"name": "NVIDIA H200", "capability": "9.0", "driver_version": "580.1", "torch": "2.15.0", "device": "cuda:0"}
SAME = Check(title="same", passed=True, found="0 differ")
RIGHT = PartResult(part="replay", verdict="right", seconds=12, checks=(SAME,))
WRONG = PartResult(part="fallback", verdict="wrong", seconds=3, reason="error 900: runs eagerly")
SLOW = PartResult(
    part="single-sd1",
    verdict="right",
    seconds=60,
    figures=(
        Figure.of("single.sd1.hua", "sd1: hua", "s", [0.3, 0.31]),
        Figure(name="equal.images", title="16 at once", unit="images/s", value=9),
    ),
)


def test_report_has_every_part_and_the_goals(tmp_path: Path) -> None:
    names = ("replay", "fallback", "single-sd1", "crowd")
    parts = [Part(name, "Does it run right", f"title of {name}", "a:b") for name in names]
    plan = DayPlan(results=tmp_path, models=tmp_path, device="cuda:0")
    results = list(zip(parts, (RIGHT, WRONG, SLOW, None), strict=True))
    report = DayReport(plan, FACTS, results, "python -m benchmarks.gpu_day", "2026-11-29")
    report.write()
    page = (tmp_path / "report.md").read_text()
    for line in (
        "NVIDIA H200, driver 580.1 · torch 2.15.0",
        "| replay | title of replay | right | 0 differ | 12 |",
        "| fallback | title of fallback | **wrong** | error 900: runs eagerly | 3 |",
        "| crowd | title of crowd | not run yet | | |",
        "| sd1: hua | 0.305 s | ≤ 0.25 s | not reached |",
        "| images of 512×512 a minute, four lanes | 40–60 (4 × 60 s / 4–6 s) | 2,160 |",
    ):
        assert line in page
    assert report.summary == "2 right, 1 wrong, 1 not run yet"
    document = json.loads((tmp_path / "report.json").read_text())
    verdicts = [each["result"] and each["result"]["verdict"] for each in document["parts"]]
    assert verdicts == ["right", "wrong", "right", None]
    assert document["verdicts"]["single.sd1.hua"] == "not reached"
    assert (tmp_path / "single.times.png").exists()
