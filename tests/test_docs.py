"""What the documentation tells people to send is what the task types take."""

import json
import re
from pathlib import Path

import pytest

import pipelines

PAGE = (Path(__file__).parent.parent / "docs" / "tasks.md").read_text()
BODIES = [json.loads(body) for body in re.findall(r"-d '(\{.*?\})'\n", PAGE)]


def test_there_is_an_example_for_every_section() -> None:
    sections = re.findall(r"^## .*`(\S+)`$", PAGE, re.MULTILINE)
    assert [body["type"] for body in BODIES] == sections


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body["type"])
def test_an_example_is_accepted(body: dict[str, object]) -> None:
    pipelines.find(str(body["type"])).Params.model_validate(body["params"])
