"""The examples of the docs, run as they stand there, against one running service."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.running_service import RunningService

ROOT = Path(__file__).parents[2]


def blocks(page: str) -> list[str]:
    """The shell commands of a page of the docs."""
    return re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)


UPLOAD, *EXAMPLES = blocks("tasks.md")
CALLS = [block for page in ("api.md", "troubleshoot.md") for block in blocks(page)]
BENCH = next(block for block in blocks("sizing.md") if "--toy" in block)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the images that the examples upload, and `hua`."""
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "picture.png")
    Image.fromarray(np.eye(4, dtype=np.uint8) * 255).resize((64, 64), 0).save(tmp_path / "mask.png")
    hua = tmp_path / "bin" / "hua"
    hua.parent.mkdir()
    hua.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m server "$@"\n')
    hua.chmod(0o755)
    return tmp_path


def run(service: RunningService, script: str, folder: Path) -> str:
    """What a script prints, with the service in place of the one of the docs."""
    variables = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "HUA_PORT": str(service.port)}
    variables |= {"HUA_DATA_DIR": str(service.data_dir), "HUA_MODELS_DIR": str(service.models_dir)}
    script = script.replace("127.0.0.1:8000", f"127.0.0.1:{service.port}")
    result = subprocess.run(
        ["bash", "-ec", script], cwd=folder, env=os.environ | variables, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: re.search(r'"type": "(.*?)"', example)[1])
def test_task_example_succeeds(service: RunningService, example: str, folder: Path) -> None:
    view = json.loads(run(service, UPLOAD + example, folder))
    assert view["status"] == "succeeded", view
    assert view["answer"] or service.http.get(view["images"][0]["url"]).status_code == 200


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.splitlines()[0][:60])
def test_api_call_of_docs_exists(service: RunningService, call: str, folder: Path) -> None:
    output = run(service, call, folder)
    for code in ("not_found", "method_not_allowed", "internal", "invalid_request"):
        assert f':"{code}"' not in output.replace('"status":"not_found"', ""), output


@pytest.mark.timeout(600)
def test_bench_writes_report(service: RunningService, folder: Path) -> None:
    """Measures the service that runs already: to start another takes as long as all the rest."""
    run(service, BENCH.rstrip() + f" --url http://127.0.0.1:{service.port}", folder)
    report = folder / "report"
    numbers = json.loads((report / "report.json").read_text())
    figures = {figure["name"]: figure for figure in numbers["figures"]}
    assert not [figure for figure in numbers["figures"] if "failed" in figure["note"]]
    for name in (
        "single.sd1.hua",
        "single.controlnet.bare",
        "single.sdxl.hua",
        "crowd.hua",
        "equal.images",
        "swap.hua",
    ):
        assert figures[name]["value"] > 0
    for name in ("curve.sd1.step.2", "pieces.decode", "pieces.upscale", "house.overhead", "upscaled.overhead"):
        assert figures[name]["value"] > 0
    assert figures["single.sd1.hua"]["verdict"] == "not applicable on this device"
    assert numbers["environment"]["device"] == "cpu"
    page = (report / "report.md").read_text()
    plots = re.findall(r"!\[.*?\]\((.*?)\)", page)
    assert {"single.times.png", "curve.images.png", "house.stages.png"} <= set(plots)
    for name in plots:
        with Image.open(report / name) as plot:
            assert plot.width > 500
    assert not (report / "models").exists()
