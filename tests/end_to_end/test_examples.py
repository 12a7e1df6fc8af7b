"""The examples of the docs, run as they stand there, against one running house."""

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

from tests.end_to_end.conftest import House

ROOT = Path(__file__).parents[2]


def blocks(page: str) -> list[str]:
    """The commands that a page of the docs shows."""
    return re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)


UPLOAD, *EXAMPLES = blocks("tasks.md")
CALLS = [block for page in ("api.md", "troubleshoot.md") for block in blocks(page)]
BENCH = next(block for block in blocks("sizing.md") if "--toy" in block)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder with what examples upload, and `hua`."""
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "picture.png")
    Image.fromarray(np.eye(4, dtype=np.uint8) * 255).resize((64, 64), 0).save(tmp_path / "mask.png")
    hua = tmp_path / "bin" / "hua"
    hua.parent.mkdir()
    hua.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m server "$@"\n')
    hua.chmod(0o755)
    return tmp_path


def run(house: House, script: str, folder: Path) -> str:
    """What a script prints, with the house in place of that of the docs."""
    own = {"PATH": f"{folder}/bin:{os.environ['PATH']}", "HUA_PORT": str(house.port)}
    own |= {"HUA_DATA_DIR": str(house.data_dir), "HUA_MODELS_DIR": str(house.models_dir)}
    script = script.replace("127.0.0.1:8000", f"127.0.0.1:{house.port}")
    done = subprocess.run(["bash", "-ec", script], cwd=folder, env=os.environ | own, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: re.search(r'"type": "(.*?)"', example)[1])
def test_an_example_of_the_docs_succeeds(house: House, example: str, pictures: Path) -> None:
    view = json.loads(run(house, UPLOAD + example, pictures))
    assert view["status"] == "succeeded", view
    assert view["answer"] or house.http.get(view["images"][0]["url"]).status_code == 200


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.splitlines()[0][:60])
def test_a_call_of_the_docs_is_one_that_there_is(house: House, call: str, pictures: Path) -> None:
    said = run(house, call, pictures)
    for wrong in ("not_found", "method_not_allowed", "internal", "invalid_request"):
        assert f':"{wrong}"' not in said.replace('"status":"not_found"', ""), said


@pytest.mark.timeout(600)
def test_bench_writes_its_report(house: House, pictures: Path) -> None:
    """The service is measured at the house that runs: starting another takes as long as all the rest."""
    run(house, BENCH.rstrip() + f" --url http://127.0.0.1:{house.port}", pictures)
    folder = pictures / "report"
    told = json.loads((folder / "report.json").read_text())
    figures = {figure["name"]: figure for figure in told["figures"]}
    assert not [figure for figure in told["figures"] if "failed" in figure["note"]]
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
    assert told["environment"]["device"] == "cpu"
    page = (folder / "report.md").read_text()
    shown = re.findall(r"!\[.*?\]\((.*?)\)", page)
    assert {"single.times.png", "curve.images.png", "house.stages.png"} <= set(shown)
    for name in shown:
        with Image.open(folder / name) as picture:
            assert picture.width > 500
    assert not (folder / "models").exists()
