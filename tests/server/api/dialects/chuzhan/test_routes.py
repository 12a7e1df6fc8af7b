"""Clients of this API as public code writes them: JSON, a token, `success`, `paintingSign`, and polling."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing

import pytest

from server.task import Status
from server.tasks.lookup import cancel, find_record
from server.tenancy.auth import ANONYMOUS, new_key
from tests.support.callback_receiver import CallbackReceiver

RED, BLUE = new_key("red"), new_key("blue")
SAMPLES = [
    '{"prompt": "one boy", "modelStyleId": 1, "width": 768, "height": 1024}',
    '{"prompt": "one boy", "modelStyleId": "1", "width": "512", "height": "512", "hrScale": 2, "hrSteps": 20}',
    '{"prompt":"girl", "modelStyleId": "1", "width": 512, "height": 512, "upscale": 2}',
]
"""The bodies of the document, as they stand there."""
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def receiver() -> Iterator[CallbackReceiver]:
    with closing(CallbackReceiver()) as receiver:
        yield receiver


@pytest.mark.parametrize(("sample", "points"), [*zip(SAMPLES, (12, 20, 6), strict=True)])
async def test_sample_of_the_document_is_painted(client, detail, painting, sample, points):
    reply = (await client.post("/aiapi/v1/draw", content=sample, headers={"Auth-Token": "any", **JSON})).json()
    assert (reply["code"], reply["success"]) == (0, True)
    data = reply["data"]
    assert (data["estimateUsed"], data["used"], data["taskLimitCount"]) == (points, points, 64)
    assert data["consumeDetail"][0]["desc"] == "base"
    body = await detail(data["paintingSign"], waitUtilEnd=True)
    assert (body["state"], body["progress"], len(body["images"])) == ("success", 1, 1)
    assert (await client.get(body["imgUrl"])).headers["content-type"] == "image/jpeg"


async def test_price_is_answered_without_a_task(draw, services):
    data = (await draw(width=768, height=1024, predictConsume="true"))["data"]
    assert "paintingSign" not in data
    assert (data["estimateUsed"], data["used"]) == (12, 0)
    assert (await services.queue.recent(ANONYMOUS, None, 1, 1))[1] == 0


async def test_detail_waits_for_the_end(draw, detail, painter):
    task_id = (await draw(batchSize=2))["data"]["paintingSign"]
    waiting = asyncio.create_task(detail(task_id, waitUtilEnd="true"))
    lease = await painter.take()
    assert not waiting.done()
    await painter.finish(lease)
    body = await waiting
    assert (body["state"], len(body["images"])) == ("success", 2)
    assert body["imgUrl"] == body["images"][0]["imageUrl"]


async def test_failed_and_canceled_tasks_have_a_reason(draw, detail, painter, services):
    task_id = (await draw())["data"]["paintingSign"]
    await painter.fail(await painter.take())
    body = await detail(task_id, waitUtilEnd=True)
    assert (body["state"], body["failReason"][:9], body["imgUrl"]) == ("fail", "too large", "")
    task_id = (await draw())["data"]["paintingSign"]
    await cancel(services, await find_record(services, task_id, ANONYMOUS))
    body = await detail(task_id)
    assert (body["state"], body["failReason"]) == ("fail", "the task was canceled")


async def test_withheld_image_is_marked(draw, detail, painter):
    task_id = (await draw())["data"]["paintingSign"]
    await painter.withhold(await painter.take())
    body = await detail(task_id, waitUtilEnd=True)
    assert (body["state"], body["audit"], body["images"]) == ("success", 1, [{"imageUrl": "", "audit": 1}])


@pytest.mark.parametrize("overrides", [{"egress_allow": ("127.0.0.1",)}])
async def test_callback_has_the_nonce(draw, painting, receiver):
    task_id = (await draw(callback=receiver.url + "/done", nonce="n-1"))["data"]["paintingSign"]
    async with asyncio.timeout(60):
        while not receiver.received:
            await asyncio.sleep(0.01)
    path, body, _ = receiver.received[0]
    callback = json.loads(body)
    assert path == "/done"
    assert (callback["taskId"], callback["nonce"], callback["state"]) == (task_id, "n-1", "success")
    assert callback["images"] == [{"imageUrl": callback["imgUrl"], "audit": 0}]


async def test_callback_to_an_own_network_is_refused(draw):
    reply = await draw(callback="http://10.0.0.1/")
    assert (reply["code"], reply["success"]) == (400, False)


@pytest.mark.parametrize("overrides", [{"api_keys": (RED[1], BLUE[1])}])
async def test_tenants_never_see_each_others_tasks(client, services):
    async def call(path: str, key: str, **fields: object):
        return await client.post(f"/aiapi{path}", json=fields, headers={"Auth-Token": key})

    red, blue = RED[0], BLUE[0]
    task_id = (await call("/v1/draw", red, prompt="x", modelStyleId=2)).json()["data"]["paintingSign"]
    assert (await call("/v1/task/detail", red, taskId=task_id)).json()["data"]["state"] == "in_queue"
    refused = (await call("/v1/task/detail", blue, taskId=task_id, waitUtilEnd=True)).json()
    assert (refused["code"], refused["success"], refused["data"]) == (404, False, None)
    customers = [(await call("/v1/customer/detail", key)).json()["data"] for key in (red, blue)]
    assert [(each["customerName"], each["taskCount"]) for each in customers] == [("red", 1), ("blue", 0)]
    assert (await find_record(services, task_id, "red")).view.status is Status.QUEUED
    bearer = {"Authorization": f"Bearer {red}"}
    assert (await client.post("/aiapi/v1/task/detail", json={"taskId": task_id}, headers=bearer)).json()["success"]


@pytest.mark.parametrize("overrides", [{"api_keys": (RED[1],), "task_limit": 1}])
async def test_errors_have_the_shape_of_this_api(client):
    key, ok = {"Auth-Token": RED[0]}, {"prompt": "x", "modelStyleId": 2}
    calls = [
        ("/v1/draw", ok, {"Auth-Token": "wrong"}, 401, 401, "API key is unknown"),
        ("/v1/draw", {"prompt": "x"}, key, 200, 400, "modelStyleId is missing"),
        ("/v1/draw", ok | {"steps": 51}, key, 200, 400, "steps"),
        ("/v1/draw", ok | {"promt": "x"}, key, 200, 400, "promt is unknown"),
        ("/v1/draw", ok | {"img": "no picture"}, key, 200, 400, "base64"),
        ("/v1/task/detail", {"taskId": "0" * 32}, key, 200, 404, "there is no task"),
        ("/v1/draw", ok, key, 200, 0, ""),
        ("/v1/draw", ok, key, 200, 7001, "unfinished"),
        ("/v1/train/detail", ok, key, 200, 404, "training is not offered"),
        ("/v1/nothing", ok, key, 404, 404, "nothing at this address"),
    ]
    for path, body, headers, status, code, message in calls:
        reply = await client.post(f"/aiapi{path}", json=body, headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (status, code), reply.text
        assert reply.json()["success"] is (code == 0)
        assert message in reply.json()["msg"]
    assert (await client.get("/aiapi/v1/draw", headers=key)).json()["code"] == 405


async def test_request_that_is_repeated_with_its_key_is_one_task(client):
    body, key = (
        {"prompt": "x", "modelStyleId": 2, "callback": "http://a.example", "nonce": "1"},
        {"Idempotency-Key": "k"},
    )
    first, again = [(await client.post("/aiapi/v1/draw", json=body, headers=key)).json() for _ in range(2)]
    assert first["data"]["paintingSign"] == again["data"]["paintingSign"]
    other = (await client.post("/aiapi/v1/draw", json=body | {"nonce": "2"}, headers=key)).json()
    assert (other["code"], other["success"]) == (409, False)
