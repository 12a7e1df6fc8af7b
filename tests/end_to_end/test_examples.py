"""The examples of the docs, run as they stand there, against one running service."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from tests.support.docs import shell_blocks
from tests.support.running_service import RunningService

UPLOAD, *EXAMPLES = shell_blocks("tasks.md")
ONE_MACHINE = [block for block in shell_blocks("one-machine.md") if block.startswith("curl")]
CALLS = [block for page in ("api.md", "troubleshoot.md") for block in shell_blocks(page)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: re.search(r'"type": "(.*?)"', example)[1])
def test_task_example_succeeds(service: RunningService, example: str, folder: Path) -> None:
    view = json.loads(service.run_script(UPLOAD + example, folder))
    assert view["status"] == "succeeded", view
    assert view["answer"] or service.http.get(view["images"][0]["url"]).status_code == 200


@pytest.mark.parametrize("example", shell_blocks("tools.md"), ids=["tool"])
def test_tool_example_succeeds(service: RunningService, example: str, folder: Path) -> None:
    assert json.loads(service.run_script(UPLOAD + example, folder))["status"] == "succeeded"


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.splitlines()[0][:60])
def test_api_call_of_docs_exists(service: RunningService, call: str, folder: Path) -> None:
    output = service.run_script(call, folder)
    for code in ("not_found", "method_not_allowed", "internal", "invalid_request"):
        assert f':"{code}"' not in output.replace('"status":"not_found"', ""), output


def test_requests_of_the_readme_paint_an_image(service: RunningService, folder: Path) -> None:
    [requests] = [block for block in shell_blocks("../README.md") if "curl" in block]
    service.run_script(requests, folder)
    with Image.open(folder / "picture.png") as picture:
        assert (picture.format, picture.size) == ("PNG", (128, 128))


def test_requests_of_one_machine_paint_an_image(service: RunningService, folder: Path) -> None:
    *questions, painting = ONE_MACHINE
    for question in questions:
        assert "error" not in service.run_script(question, folder)
    assert json.loads(service.run_script(painting, folder))["status"] == "succeeded"
