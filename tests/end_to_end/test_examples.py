"""The examples of the docs, run as they stand there, against one running service."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.docs import shell_blocks
from tests.support.running_service import RunningService

UPLOAD, *EXAMPLES = shell_blocks("tasks.md")
CALLS = [block for page in ("api.md", "troubleshoot.md") for block in shell_blocks(page)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: re.search(r'"type": "(.*?)"', example)[1])
def test_task_example_succeeds(service: RunningService, example: str, folder: Path) -> None:
    view = json.loads(service.run_script(UPLOAD + example, folder))
    assert view["status"] == "succeeded", view
    assert view["answer"] or service.http.get(view["images"][0]["url"]).status_code == 200


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.splitlines()[0][:60])
def test_api_call_of_docs_exists(service: RunningService, call: str, folder: Path) -> None:
    output = service.run_script(call, folder)
    for code in ("not_found", "method_not_allowed", "internal", "invalid_request"):
        assert f':"{code}"' not in output.replace('"status":"not_found"', ""), output
