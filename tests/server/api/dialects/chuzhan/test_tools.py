"""小工具 and 应用工具: the form, the submission and the result, as the documents show them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.support.callback_receiver import CallbackReceiver

WORKFLOW = """
id: 12
name: Poster
name_zh: 海报
cover: poster.png
price: 6
fields:
  - {id: words, name: Words, name_zh: 文字, type: text, required: true}
  - {id: look, name: Look, type: choice, default: day, items: [{id: day, name: Day, cover: poster.png}, {id: night}]}
nodes:
  - {key: paint, endpoint: txt2img.sd, data: {text: "$words, $look"}}
target: paint
"""
UTILITY = """
id: 3
name: Dummy
name_zh: 人台图
group: utility
fields:
  - {id: photo, type: image, required: true}
  - {id: area, type: mask, required: true}
  - id: model
    name_zh: 模特
    type: choice
    required: true
    items: [{id: 1, name_zh: 亚洲女}, {id: 2, name_zh: 亚洲男}]
  - {id: seed, type: seed, default: -1}
nodes:
  - key: paint
    endpoint: txt2img.sd.inpainting
    data: {text: "photo of $model", url: $photo, mask_url: $area, seed: $seed}
target: paint
"""


@pytest.fixture
def overrides(tmp_path, png):
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "poster.yaml").write_text(WORKFLOW)
    (folder / "dummy.yaml").write_text(UTILITY)
    (folder / "poster.png").write_bytes(png)
    return {"tools_dir": folder, "egress_allow": ("127.0.0.1",)}


@pytest.fixture
def receiver() -> Iterator[CallbackReceiver]:
    with closing(CallbackReceiver()) as receiver:
        yield receiver


@pytest.fixture
def call(client):
    """Posts to an address of this API, and returns the answer."""

    async def send(path: str, **body: Any) -> dict[str, Any]:
        return (await client.post(f"/aiapi{path}", json=body, headers={"Auth-Token": "any"})).json()

    return send


async def test_form_of_a_workflow_is_shown(call, client, png):
    data = (await call("/workflow/detail", workflowId=12))["data"]
    words, look = data["fields"]
    assert (data["id"], data["name"]) == ("12", "海报")
    assert (words["name"], words["type"], words["required"]) == ("文字", "text", True)
    assert [(item["id"], item["name"]) for item in look["items"]] == [("day", "Day"), ("night", "night")]
    assert look["items"][0]["coverImageUrl"] == data["coverImageUrl"]
    assert (await client.get(data["coverImageUrl"])).content == png


async def test_workflow_is_submitted_and_has_files(call, painting, client):
    body = {"words": "snow", "look": "night"}
    submitted = (await call("/workflow/submit", workflowId="12", fields=body))["data"]
    assert submitted["used"] == 6
    task_id = submitted["paintingSign"]
    data = (await call("/workflow/task/detail", taskId=task_id, waitUtilEnd=True))["data"]
    assert (data["taskId"], data["state"], data["progress"], data["failReason"]) == (task_id, "success", 1, "")
    assert data["files"] == [{"fileUrl": data["coverImageUrl"], "audit": 0}]
    assert (await client.get(data["coverImageUrl"])).status_code == 200
    assert (await call("/v1/task/detail", taskId=task_id))["data"]["imgUrl"] == data["coverImageUrl"]


async def test_options_of_a_utility_tool_are_shown(call):
    data = (await call("/utilityTool/detail", utilityToolId=3))["data"]
    assert (data["id"], data["name"], data["maskRequired"]) == ("3", "人台图", True)
    [model] = data["options"]
    assert (model["id"], model["name"], model["required"]) == ("model", "模特", True)
    assert [(item["id"], item["name"]) for item in model["items"]] == [("1", "亚洲女"), ("2", "亚洲男")]
    assert [field["id"] for field in data["fields"]] == ["seed"]


async def test_utility_tool_is_submitted_with_pictures(call, client, png, painting, services, receiver):
    picture = (await client.post("/v1/files", files={"file": png})).json()["id"]
    body = {"img": picture, "maskImg": picture, "options": {"model": 2}, "callback": receiver.url, "nonce": "n"}
    submitted = await call("/utilityTool/submit", utilityToolId=3, **body)
    assert submitted["success"], submitted
    task_id = submitted["data"]["paintingSign"]
    async with asyncio.timeout(60):
        while not receiver.received:
            await asyncio.sleep(0.01)
    callback = json.loads(receiver.received[0][1])
    assert (callback["taskId"], callback["nonce"], callback["state"]) == (task_id, "n", "success")
    task = (await client.get(f"/v1/tasks/{task_id}")).json()
    assert task["params"]["nodes"][0]["data"]["text"] == "photo of 2"


@pytest.mark.parametrize(
    ("path", "body", "code", "message"),
    [
        ("/workflow/detail", {"workflowId": 99}, 404, "there is no tool '99'"),
        ("/workflow/detail", {"workflowId": 3}, 404, "of the group 'utility'"),
        ("/utilityTool/detail", {"utilityToolId": 12}, 404, "of the group 'workflow'"),
        ("/workflow/submit", {"workflowId": 12}, 400, "values.words is missing; send Words"),
        ("/workflow/submit", {"workflowId": 12, "fields": {"words": 5}}, 400, "values.words must be a text"),
        ("/workflow/submit", {"fields": {}}, 400, "workflowId is missing"),
        ("/utilityTool/submit", {"utilityToolId": 3, "options": {"model": 1}}, 400, "values.photo is missing"),
        ("/utilityTool/submit", {"utilityToolId": 3, "img": "x", "options": {"model": 9}}, 400, "values.area"),
        ("/workflow/task/detail", {"taskId": "0" * 32}, 404, "there is no task"),
    ],
)
async def test_refusals_have_the_shape_of_this_api(call, path, body, code, message):
    reply = await call(path, **body)
    assert (reply["code"], reply["success"], reply["data"]) == (code, False, None)
    assert message in reply["msg"]


async def test_request_that_is_repeated_with_its_key_is_one_task(client):
    body, headers = {"workflowId": 12, "fields": {"words": "x"}}, {"Auth-Token": "any", "Idempotency-Key": "k"}
    first, again = [(await client.post("/aiapi/workflow/submit", json=body, headers=headers)).json() for _ in range(2)]
    assert first["data"]["paintingSign"] == again["data"]["paintingSign"]
