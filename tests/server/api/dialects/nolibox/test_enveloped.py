import pytest

PUSH = {"task": "txt2img.sd", "params": {"text": "Roses", "w": 512, "h": 512}, "notify_url": ""}


@pytest.mark.parametrize("base", ["", "/prod-open-aigc"])
async def test_draft_is_pushed_in_an_envelope_and_listed(client, services, painter, base):
    reply = await client.post(f"{base}/engine/push/draft", json=PUSH)
    uid = reply.json()["data"]["uid"]
    assert (reply.status_code, reply.json()) == (200, {"code": 0, "data": {"uid": uid}, "msg": "success"})

    listed = (await client.get(f"{base}/open/task/list", params={"page_index": 1, "page_size": "10"})).json()
    [task] = listed["data"].pop("list")
    assert listed == {"code": 0, "msg": "success", "data": {"page_index": 1, "page_size": 10, "total": 1}}
    assert (task["query_code"], task["type"], task["state"], task["notify_url"]) == (uid, 1, 0, "")
    assert type(task["create_time"]) is type(task["id"]) is int
    assert 0 < task["id"] < 2**53

    await painter.finish(await painter.take())
    async for view in services.queue.watch(uid):
        if view.status.final:
            break
    [task] = (await client.get(f"{base}/open/task/list")).json()["data"]["list"]
    assert task["state"] == 2
    assert task["update_time"] >= task["create_time"]


async def test_draft_needs_no_task(client, png, services):
    stored = (await client.post("/v1/files", files={"file": png})).json()["id"]
    params = {"text": "Roses", "url": stored, "w": 512, "h": 512, "fidelity": 0.2}
    uid = (await client.post("/engine/push/draft", json={"params": params})).json()["data"]["uid"]
    assert (await services.queue.find(uid)).task.type == "img2img.sd"
    uid = (await client.post("/engine/push/draft", json={"params": {"text": "Roses"}})).json()["data"]["uid"]
    assert (await services.queue.find(uid)).task.type == "txt2img.sd"
    assert [task["type"] for task in (await client.get("/open/task/list")).json()["data"]["list"]] == [1, 2]


@pytest.mark.parametrize("overrides", [{"task_limit": 1}])
async def test_task_limit_is_code_7001_in_the_envelope(client):
    await client.post("/engine/push/draft", json=PUSH)
    reply = await client.post("/engine/push/draft", json=PUSH)
    assert (reply.status_code, reply.json()) == (200, {"code": 7001, "data": {}, "msg": "task limit"})


async def test_other_refusals_have_their_status_as_code(client):
    reply = await client.post("/engine/push/draft", json={"params": 7})
    assert (reply.status_code, reply.json()["code"]) == (422, 422)
    assert "params" in reply.json()["msg"]
    assert (await client.get("/open/task/list", params={"page_index": 0})).json()["code"] == 422


async def test_page_is_never_longer_than_100(client):
    assert (await client.get("/open/task/list", params={"page_size": 1000})).json()["data"]["page_size"] == 100
