"""`hua bench` with toy models: its report has numbers, verdicts and plots. No number means anything."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

MEASURED = (
    "single.sd1.hua",
    "single.controlnet.bare",
    "single.sdxl.hua",
    "crowd.hua",
    "equal.images",
    "swap.hua",
    "curve.sd1.step.2",
    "pieces.decode",
    "pieces.upscale",
    "service.overhead",
    "upscaled.overhead",
)


@pytest.mark.timeout(600)
def test_bench_writes_report(bench_report: Path) -> None:
    report = json.loads((bench_report / "report.json").read_text())
    figures = {figure["name"]: figure for figure in report["figures"]}
    assert not [figure for figure in report["figures"] if "failed" in figure["note"]]
    for name in MEASURED:
        assert figures[name]["value"] > 0
    assert figures["single.sd1.hua"]["verdict"] == "not applicable on this device"
    assert report["environment"]["device"] == "cpu"
    plots = re.findall(r"!\[.*?\]\((.*?)\)", (bench_report / "report.md").read_text())
    assert {"single.times.png", "curve.images.png", "service.stages.png"} <= set(plots)
    for name in plots:
        with Image.open(bench_report / name) as plot:
            assert plot.width > 500
    assert not (bench_report / "models").exists()
