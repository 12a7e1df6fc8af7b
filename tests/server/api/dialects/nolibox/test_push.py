import asyncio

import pytest

from server.task import Status
from tests.support.nolibox import ECHO

PUSH = {"task": "txt2img.sd", "params": {"text": "x"}, "notify_url": ""}


async def ended(client, services, uid: str) -> dict:
    """The status once the task has ended."""
    async for view in services.queue.watch(uid):
        if view.status.final:
            break
    return (await client.get(f"/engine/status/{uid}")).json()


@pytest.mark.parametrize(
    ("change", "words", "task"),
    [
        ({"task": "txt2img.ds"}, "txt2img.sd", "unknown"),
        ({"task": "demo.hello"}, "readyz", "demo.hello"),
        ({"params": {"text": "x", "magic": 1}}, "magic", "txt2img.sd"),
        ({"params": {"w": 512}}, "text", "txt2img.sd"),
        ({"params": {"text": "x", "w": 65536}}, "w", "txt2img.sd"),
        ({"params": {"text": "x", "w": 8192, "h": 8192, "max_wh": 8192}}, "HUA_MAX_PIXELS", "txt2img.sd"),
        ({"params": {"text": "x", "version": "nobody"}}, "toy", "txt2img.sd"),
        ({"params": {"text": "x", "model": "ink"}}, "family", "txt2img.sd"),
        ({"task": "img2img.sd", "params": {"text": "x", "url": "http://127.0.0.1/x.png"}}, "not", "img2img.sd"),
        ({"task": "img2img.sd", "params": {"text": "x", "url": "data:image/png;base64,AAAA"}}, "", "img2img.sd"),
        ({"notify_url": "http://127.0.0.1:1/"}, "HUA_EGRESS_ALLOW", "txt2img.sd"),
    ],
)
async def test_what_only_the_run_found_ends_as_exception(client, services, change, words, task):
    sent = {**PUSH, **change}
    reply = await client.post("/engine/push", json=sent)
    body = reply.json()
    assert (reply.status_code, body["success"], len(body["uid"])) == (200, True, 32)
    status = await ended(client, services, body["uid"])
    assert (status["status"], status["pending"]) == ("exception", 0)
    assert status["data"]["reason"].startswith(f"{task} -> start : ")
    assert words in status["data"]["reason"]
    params = {
        name: value.replace("\ud800", "?") if value == "\ud800" else value for name, value in sent["params"].items()
    }
    assert status["data"]["request"] == {"task": task, "params": params}


@pytest.mark.parametrize("overrides", [{"text_audit": "refuse"}])
async def test_words_that_nobody_has_judged_are_not_stored(client, services):
    params = {"text": "porn", "magic": 1}
    reply = await client.post("/engine/push", json={**PUSH, "params": params})
    status = await ended(client, services, reply.json()["uid"])
    assert "magic" in status["data"]["reason"]
    assert "porn" not in str(status)


async def test_lone_surrogate_ends_as_exception(client, services):
    body = b'{"task": "txt2img.sd", "params": {"text": "\\ud800", "\\ud801": 1}}'
    reply = await client.post("/engine/push", content=body, headers={"Content-Type": "application/json"})
    status = await ended(client, services, reply.json()["uid"])
    assert status["data"]["request"]["params"] == {"text": "?", "?": 1}


@pytest.mark.parametrize("overrides", [{"task_limit": 1}])
async def test_failed_push_frees_its_place(client, services):
    for _ in range(3):
        uid = (await client.post("/engine/push", json={**PUSH, "task": "nothing"})).json()["uid"]
        assert (await ended(client, services, uid))["status"] == "exception"
    assert (await client.post("/engine/push", json=PUSH)).json()["msg"] == ""


@pytest.mark.parametrize("overrides", [{"egress_allow": ("127.0.0.1",)}])
async def test_failed_push_has_a_callback(client, services):
    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def customer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        received.set_result(await reader.readuntil(b"{"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(customer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/done"
        uid = (await client.post("/engine/push", json={**PUSH, "params": {}, "notify_url": url})).json()["uid"]
        assert await received == b"{"
    assert (await services.queue.find(uid)).status is Status.FAILED


async def test_large_params_are_not_kept_with_a_failure(client, services):
    sent = {**PUSH, "params": {"text": "x", "magic": "y" * 20_000}}
    uid = (await client.post("/engine/push", json=sent)).json()["uid"]
    assert (await ended(client, services, uid))["data"]["request"]["params"] == {}


@pytest.mark.parametrize("change", [{"task": None}, {"params": 7}, {"notify_url": 7}, {"task": "x" * 65}])
async def test_body_of_another_shape_is_refused(client, change):
    reply = await client.post("/engine/push", json={**PUSH, **change})
    assert reply.status_code == 422
    body = reply.json()
    assert (body["uid"], body["success"]) == ("", False)
    assert next(iter(change)) in body["msg"]


async def test_request_of_a_callback_of_that_api_runs_again(client, services, painter):
    reply = (await client.post("/engine/push", json={"task": "txt2img.sd", "params": ECHO})).json()
    assert (reply["success"], reply["msg"]) == (
        True,
        "model 'dreamlike_v1' is not installed; the default model is used",
    )
    await painter.finish(await painter.take())
    assert (await ended(client, services, reply["uid"]))["status"] == "finished"


async def test_substitutes_are_named_in_the_reply(client, services):
    params = {"text": "x", "version": "dreamlike_v1", "w": 515, "h": 700}
    reply = (await client.post("/engine/push", json={**PUSH, "params": params})).json()
    assert reply["success"] is True
    assert all(words in reply["msg"] for words in ("dreamlike_v1", "515 is rounded to 512", "700 is rounded to 704"))
    task = (await services.queue.find(reply["uid"])).task
    assert (task.params["model"], task.params["w"], task.params["h"]) == ("toy", 512, 704)


async def test_own_api_neither_rounds_nor_replaces(client):
    for change, code in (({"w": 515}, "invalid_params"), ({"model": "dreamlike_v1"}, "unknown_model")):
        reply = await client.post("/v1/tasks", json={"type": "txt2img.sd", "params": {"text": "x", **change}})
        assert (reply.status_code, reply.json()["error"]["code"]) == (422, code)
