import json
from pathlib import Path

from PIL import Image

from server.commands.bench.plan import Plan
from server.commands.bench.plots import draw
from server.commands.bench.report import Report
from server.commands.bench.results import Figure

FIGURES = [
    Figure.of("single.sd1.bare", "sd1: bare", "s", [2.0, 2.2, 2.1, 2.0]),
    Figure.of("single.sd1.hua", "sd1: hua", "s", [1.7, 1.8, 1.7, 1.9]),
    Figure(name="single.sd1.bare/hua", title="sd1: bare / hua", unit="×", value=1.18),
    Figure.missing(
        "single.sdxl.bare/hua", "sdxl: bare / hua", "refused: the two blocks of the baseline differ by 4.0%"
    ),
    Figure.of("lanes.one", "one lane", "images/min", [30.0]),
    Figure.of("lanes.all", "4 lanes", "images/min", [118.0]),
    Figure(name="lanes.share", title="4 lanes, of 4 × one", unit="%", value=98.3),
]
T4 = {"device": "cuda:0", "name": "Tesla T4", "capability": "7.5"}


def test_report_compares_figures_with_targets(tmp_path: Path) -> None:
    plan = Plan(out=tmp_path, models=tmp_path)
    plots = draw(FIGURES, tmp_path)
    Report(plan, T4, FIGURES, "hua bench", "2026-11-21").write(tmp_path, plots)
    page = (tmp_path / "report.md").read_text()
    assert "| sd1: bare / hua | 1.18 × | ≥ 1.1 × | reached |" in page
    assert "| sd1: hua | 1.75 s | ≤ 2.8 s | reached |" in page
    assert "| 4 lanes, of 4 × one | 98.3 % | ≥ 95 % | reached |" in page
    assert "differ by 4.0% | ≥ 1.08  | not measured |" in page
    assert "a lane of an RTX 5000, without the network | 4–6 s | 1.75 s | sd1: hua |" in page
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["environment"] == T4
    assert document["figures"][0]["samples"] == [2.0, 2.2, 2.1, 2.0]
    assert plots == ["single.times.png", "single.steady.png", "lanes.images.png"]
    for name in plots:
        with Image.open(tmp_path / name) as plot:
            assert plot.width > 500
