"""Every shipped tool runs, by the form that its own description shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server.tools.tools import SHIPPED
from tests.support.running_service import RunningService

IDS = [file.stem for file in sorted(SHIPPED.glob("*.yaml"))]
EXAMPLES = {"text": "a red house on the grass", "number": 1, "integer": 1, "bool": True, "size": "128x128", "seed": 7}


@pytest.fixture
def pictures(service: RunningService, folder: Path) -> dict[str, str]:
    files = {"image": "picture.png", "mask": "mask.png"}
    return {
        kind: service.http.post("/v1/files", files={"file": (folder / name).read_bytes()}).json()["id"]
        for kind, name in files.items()
    }


@pytest.fixture
def form(service: RunningService, id: str) -> dict[str, Any]:
    """The tool of this id, as its form shows it."""
    tool: dict[str, Any] = service.http.get(f"/v1/tools/{id}").json()
    assert tool["missing"] == ""
    return tool


@pytest.mark.parametrize("id", IDS)
def test_shipped_tool_runs(service: RunningService, form: dict[str, Any], pictures: dict[str, str], id: str) -> None:
    values = filled_in(form, pictures)
    response = service.http.post(f"/v1/tools/{id}", json={"values": values}, headers={"Prefer": "wait=60"})
    task = response.json()
    assert task["status"] == "succeeded", task
    assert task["images"]


@pytest.mark.parametrize("id", IDS)
def test_shipped_tool_runs_for_clients_of_chuzhan(
    service: RunningService, form: dict[str, Any], pictures: dict[str, str], id: str
) -> None:
    values = filled_in(form, pictures)
    if form["group"] == "workflow":
        path, body = "workflow", {"workflowId": id, "fields": values}
    else:
        kinds = {field["id"]: field["type"] for field in form["fields"]}
        sent = {
            {"image": "img", "mask": "maskImg"}[kinds[name]]: values.pop(name)
            for name in dict(values)
            if kinds[name] in pictures
        }
        path, body = "utilityTool", {"utilityToolId": id, "options": values, **sent}
    reply = service.http.post(f"/aiapi/{path}/submit", json=body).json()
    assert reply["success"], reply
    wait = {"taskId": reply["data"]["paintingSign"], "waitUtilEnd": True}
    detail = service.http.post("/aiapi/workflow/task/detail", json=wait).json()["data"]
    assert (detail["state"], detail["failReason"]) == ("success", "")
    assert service.http.get(detail["coverImageUrl"]).status_code == 200


def filled_in(form: dict[str, Any], pictures: dict[str, str]) -> dict[str, Any]:
    """Values of the required fields, and small sizes."""
    values = {field["id"]: _example(field, pictures) for field in form["fields"] if field["required"]}
    return values | {field["id"]: "128x128" for field in form["fields"] if field["type"] == "size"}


def _example(field: dict[str, Any], pictures: dict[str, str]) -> Any:
    if field["type"] == "choice":
        return field["items"][0]["id"]
    return {**EXAMPLES, **pictures}[field["type"]]
