"""Every shipped tool runs, by the form that its own description shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.tools.tools import SHIPPED
from tests.support.running_service import RunningService

EXAMPLES = {"text": "a red house on the grass", "number": 1, "integer": 1, "bool": True, "size": "128x128", "seed": 7}


@pytest.fixture
def pictures(service: RunningService, folder: Path) -> dict[str, str]:
    files = {"image": "picture.png", "mask": "mask.png"}
    return {
        kind: service.http.post("/v1/files", files={"file": (folder / name).read_bytes()}).json()["id"]
        for kind, name in files.items()
    }


@pytest.mark.parametrize("id", [file.stem for file in sorted(SHIPPED.glob("*.yaml"))])
def test_shipped_tool_runs(service: RunningService, pictures: dict[str, str], id: str) -> None:
    tool = service.http.get(f"/v1/tools/{id}").json()
    assert tool["missing"] == ""
    values = {field["id"]: _example(field, pictures) for field in tool["fields"] if field["required"]}
    values |= {field["id"]: "128x128" for field in tool["fields"] if field["type"] == "size"}
    response = service.http.post(f"/v1/tools/{id}", json={"values": values}, headers={"Prefer": "wait=60"})
    task = response.json()
    assert task["status"] == "succeeded", task
    assert task["images"]


def _example(field: dict[str, Any], pictures: dict[str, str]) -> Any:
    if field["type"] == "choice":
        return field["items"][0]["id"]
    return {**EXAMPLES, **pictures}[field["type"]]
