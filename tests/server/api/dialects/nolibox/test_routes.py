import asyncio
import json
import re

import pytest

from server.api.dialects.nolibox.answers import callback_body
from server.tenancy.auth import new_key

PARAMS = {
    "model": "art",
    "text": "玫瑰花",
    "w": 512,
    "h": 512,
    "guidance_scale": 7.5,
    "negative_prompt": "cropped",
    "sampler": "k_euler",
    "seed": -1,
    "num_steps": 20,
}
KEY, SETTING = new_key("red")
SAMPLE = {"task": "txt2img.sd", "params": PARAMS, **PARAMS, "notify_url": ""}


async def push(client, **change: object) -> str:
    reply = (await client.post("/engine/push", json={**SAMPLE, **change})).json()
    assert reply["success"] is True
    return reply["uid"]


@pytest.mark.parametrize("prefix", ["/engine", "", "/prod-open-aigc/engine", "/prod-open-aigc"])
async def test_documented_sample_is_pushed_and_finishes(client, painter, prefix):
    reply = await client.post(f"{prefix}/push", json=SAMPLE)
    assert reply.status_code == 200
    assert reply.json() == {"uid": reply.json()["uid"], "msg": "", "success": True}
    path = f"{prefix}/status/{reply.json()['uid']}"

    pending = (await client.get(path)).json()
    assert (pending["status"], pending["pending"], set(pending["data"])) == ("pending", 1, {"create_time"})
    lease = await painter.take()
    working = (await client.get(path)).json()
    assert (working["status"], working["pending"]) == ("working", 0)
    assert set(working["data"]) == {"create_time", "start_time"}
    await painter.finish(lease)
    statuses = await client.post(
        f"{prefix}/interrupt", json={"uid_list": [reply.json()["uid"]], "force_interrupt": True}
    )
    assert statuses.json()["results"] == [{"success": False, "reason": "not in pending status (finished)"}]
    finished = (await client.get(path)).json()
    assert finished["status"] == "finished"
    assert (await client.get(finished["data"]["cdn"])).headers["content-type"] == "image/png"
    assert finished["data"]["request"]["model"]["text"] == "rose"
    assert finished["data"]["request"]["model"]["seed"] >= 0


@pytest.mark.parametrize("uid", ["0" * 32, "nonsense", ""])
async def test_unknown_uid_is_not_found_with_http_200(client, uid):
    reply = await client.get(f"/engine/status/{uid}")
    assert (reply.status_code, reply.json()) == (200, {"status": "not_found", "pending": 0, "data": None})


async def test_batch_status_returns_one_status_per_uid(client):
    uid = await push(client)
    reply = await client.post("/engine/batch_status", json={"uid_list": [uid, "x"]})
    assert [result["status"] for result in reply.json()["results"]] == ["pending", "not_found"]


async def test_running_tasks_are_interrupted_only_by_force(client, painter):
    working = await push(client)
    await painter.take()
    pending = await push(client)
    body = {"uid_list": [pending, working, "x"]}
    assert (await client.post("/engine/interrupt", json=body)).json()["results"] == [
        {"success": True, "reason": ""},
        {"success": False, "reason": "not in pending status (working)"},
        {"success": False, "reason": "not found"},
    ]
    assert (await client.get(f"/engine/status/{pending}")).json()["status"] == "interrupted"
    forced = await client.post("/engine/interrupt", json={"uid_list": [working], "force_interrupt": True})
    assert forced.json()["results"] == [{"success": True, "reason": ""}]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_server_status_counts_pending_and_working_tasks(client, painter, method):
    uid = await push(client)
    before = (await client.request(method, "/engine/server_status")).json()
    assert (before["is_ready"], before["num_pending"], before["pending_queue"]) == (False, 1, [uid])
    await painter.take()
    after = (await client.request(method, "/engine/server_status")).json()
    assert (after["is_ready"], after["num_pending"], after["details"]["working"]) == (True, 0, [uid])


async def test_health_is_alive(client):
    assert (await client.get("/engine/health")).json() == (await client.get("/health")).json() == {"status": "alive"}


@pytest.mark.parametrize("overrides", [{"task_limit": 1}])
async def test_task_limit_is_http_200_with_code_7001(client, overrides):
    await push(client)
    reply = await client.post("/engine/push", json=SAMPLE)
    assert reply.status_code == 200
    body = {"uid": "", "success": False, "code": 7001, "msg": "task limit", "message": "task limit"}
    assert reply.json() == body


@pytest.fixture
def low_rate(tmp_path, overrides) -> None:
    """The tenant may submit one task in ten minutes."""
    overrides["tenants"] = tmp_path / "tenants.yaml"
    overrides["tenants"].write_text("tenants: {red: {rate: {per_minute: 0.1, burst: 1}}}")
    overrides["api_keys"] = SETTING


async def test_rate_limit_is_429_in_the_envelope_of_this_api(low_rate, client):
    headers = {"Authorization": f"Bearer {KEY}"}
    assert (await client.post("/engine/push", json=SAMPLE, headers=headers)).status_code == 200
    reply = await client.post("/engine/push", json=SAMPLE, headers=headers)
    assert reply.status_code == 429
    assert 590 < int(reply.headers["retry-after"]) <= 600
    assert reply.json()["success"] is False
    assert "rate limit" in reply.json()["msg"]


@pytest.mark.parametrize("overrides", [{"egress_allow": ("127.0.0.1",)}])
async def test_notify_url_gets_a_callback_in_this_dialect(client, services, painter, overrides):
    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def customer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head.lower())[1])
        received.set_result(await reader.readexactly(length))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(customer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        uid = await push(client, notify_url=f"http://127.0.0.1:{port}/done")
        await painter.finish(await painter.take())
        body = await received
    manifest = await services.bucket.manifest(uid)
    assert json.loads(body) == callback_body(manifest, services.links)
