import asyncio
import datetime as dt
import json

import pytest

from server.broker import BrokerUnavailableError
from server.task import Status

REQUEST = {"type": "txt2img.sd", "params": {"text": "a lighthouse", "w": 64, "h": 64}}


async def test_submitted_task_is_accepted_and_found(client):
    reply = await client.post("/v1/tasks", json=REQUEST)
    task = reply.json()
    assert reply.status_code == 202
    assert reply.headers["location"] == f"http://hua/v1/tasks/{task['id']}" == task["links"]["task"]
    assert (task["status"], task["type"], task["model"], task["position"]) == ("queued", "txt2img.sd", "toy", 1)
    assert task["params"]["seed"] >= 0
    assert task["params"]["model"] == "toy"
    assert dt.datetime.fromisoformat(task["created_at"]).tzinfo is not None
    assert (await client.get(f"/v1/tasks/{task['id']}")).json() == task


async def test_ended_task_has_its_images(client, painting):
    task = (await client.post("/v1/tasks", json=REQUEST, headers={"Prefer": "wait=10"})).json()
    assert task["status"] == "succeeded"
    (image,) = task["images"]
    assert (image["width"], image["height"], image["format"]) == (16, 16, "png")
    assert image["seed"] == task["params"]["seed"]
    assert task["timings"]["run"] == 0.4
    assert task["finished_at"] >= task["started_at"] >= task["created_at"][:10]
    assert (await client.get(image["url"])).headers["content-type"] == "image/png"


async def test_prefer_wait_answers_200_with_the_result(client, painting):
    reply = await client.post("/v1/tasks", json=REQUEST, headers={"Prefer": "respond-async, wait=10"})
    assert reply.status_code == 200
    assert reply.headers["preference-applied"] == "wait=10"


async def test_prefer_wait_answers_202_after_the_timeout(client):
    reply = await client.post("/v1/tasks", json=REQUEST, headers={"Prefer": "wait=1"})
    assert reply.status_code == 202
    assert reply.json()["status"] == "queued"


async def test_lone_surrogate_is_refused_in_every_field(client):
    node = {"key": "a", "endpoint": "txt2img.sd", "data": {"text": "x", "lora_scales": {"\ud800": 1}}}
    bodies = [
        {"type": "workflow", "params": {"nodes": [node], "target": "a"}},
        {"type": "txt2img.sd", "params": {"text": "x", "model": "\ud800"}},
    ]
    headers = {"Content-Type": "application/json"}
    replies = [await client.post("/v1/tasks", content=json.dumps(body), headers=headers) for body in bodies]
    assert [(reply.status_code, reply.json()["error"]["code"]) for reply in replies] == [(422, "invalid_params")] * 2


async def test_failed_task_has_an_error(client, painter):
    task_id = (await client.post("/v1/tasks", json=REQUEST)).json()["id"]
    lease = await painter.take()
    assert (await client.get(f"/v1/tasks/{task_id}")).json()["status"] == "running"
    await painter.advance(lease, 3, 20)
    assert (await client.get(f"/v1/tasks/{task_id}")).json()["progress"] == {"step": 3, "steps": 20}
    await painter.fail(lease)
    task = (await client.delete(f"/v1/tasks/{task_id}")).json()
    assert task["status"] == "failed"
    assert task["error"]["code"] == "out_of_memory"


async def test_withheld_image_has_a_reason_and_no_url(client, painter, services):
    task_id = (await client.post("/v1/tasks", json=REQUEST)).json()["id"]
    await painter.withhold(await painter.take())
    task = (await client.delete(f"/v1/tasks/{task_id}")).json()
    (image,) = task["images"]
    assert (image["safe"], image["reason"], image["url"]) == (False, "unsafe/concept 9", "")
    assert (image["width"], image["seed"], image["bytes"]) == (16, 1, 0)
    reply = await client.get(services.links.image(task_id, 0, "png", 2**40))
    assert (reply.status_code, "withheld" in reply.json()["error"]["message"]) == (410, True)


async def test_idempotency_key_returns_the_same_task(client, painting):
    headers = {"Idempotency-Key": "order-1", "Prefer": "wait=10"}
    first = await client.post("/v1/tasks", json=REQUEST, headers=headers)
    second = await client.post("/v1/tasks", json=REQUEST, headers={"Idempotency-Key": "order-1"})
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json() == first.json()
    typed = {"params": REQUEST["params"]}
    assert (await client.post("/v1/pipelines/txt2img.sd", json=typed, headers=headers)).json() == first.json()


async def test_idempotency_key_with_another_body_is_a_conflict(client):
    headers = {"Idempotency-Key": "order-1"}
    await client.post("/v1/tasks", json=REQUEST, headers=headers)
    reply = await client.post("/v1/tasks", json={**REQUEST, "priority": "low"}, headers=headers)
    assert reply.status_code == 409
    assert "new key" in reply.json()["error"]["message"]


async def test_concurrent_idempotent_submissions_are_one_task(client):
    sent = [client.post("/v1/tasks", json=REQUEST, headers={"Idempotency-Key": "k"}) for _ in range(8)]
    ids = {reply.json()["id"] for reply in await asyncio.gather(*sent)}
    assert len(ids) == 1
    assert (await client.get("/v1/tasks")).json()["total"] == 1


async def test_queued_task_is_canceled(client, painter):
    task_id = (await client.post("/v1/tasks", json=REQUEST)).json()["id"]
    reply = await client.delete(f"/v1/tasks/{task_id}")
    assert reply.status_code == 200
    assert reply.json()["status"] == "canceled"
    assert (await client.delete(f"/v1/tasks/{task_id}")).json() == reply.json()


async def test_canceled_task_frees_its_slot(client, settings):
    task_id = (await client.post("/v1/tasks", json=REQUEST)).json()["id"]
    await client.delete(f"/v1/tasks/{task_id}")
    assert (await client.get("/v1/overview")).json()["queued"] == 0


async def test_cancel_does_not_change_an_ended_task(client, painting):
    task_id = (await client.post("/v1/tasks", json=REQUEST, headers={"Prefer": "wait=10"})).json()["id"]
    assert (await client.delete(f"/v1/tasks/{task_id}")).json()["status"] == "succeeded"


@pytest.mark.parametrize("overrides", [{"task_limit": 2}])
async def test_task_limit_is_code_7001(client, overrides):
    for _ in range(2):
        assert (await client.post("/v1/tasks", json=REQUEST)).status_code == 202
    reply = await client.post("/v1/tasks", json=REQUEST)
    assert reply.status_code == 429
    assert reply.json()["error"]["code"] == "7001"
    assert int(reply.headers["retry-after"]) > 0


async def test_list_tasks_filters_by_page_and_status(client, painter):
    ids = [(await client.post("/v1/tasks", json=REQUEST)).json()["id"] for _ in range(3)]
    await painter.finish(await painter.take())
    first = (await client.delete(f"/v1/tasks/{ids[0]}")).json()
    page = (await client.get("/v1/tasks", params={"page": 2, "per_page": 2})).json()
    assert (page["total"], page["page"], page["per_page"]) == (3, 2, 2)
    assert page["tasks"] == [first]
    queued = (await client.get("/v1/tasks", params={"status": "queued"})).json()
    assert [task["id"] for task in queued["tasks"]] == [ids[2], ids[1]]


async def test_task_missing_in_the_queue_is_found_in_the_bucket(client, services, painting, monkeypatch):
    task = (await client.post("/v1/tasks", json=REQUEST, headers={"Prefer": "wait=10"})).json()

    async def forgotten(task_id: str) -> None:
        return None

    monkeypatch.setattr(services.queue, "find", forgotten)
    assert (await client.get(f"/v1/tasks/{task['id']}")).json() == task


async def test_submission_fails_whole_while_the_log_is_unavailable(client, services, monkeypatch):
    async def away(task: object) -> None:
        raise BrokerUnavailableError("the log cannot be written now; try again")

    monkeypatch.setattr(services.broker, "publish_task", away)
    reply = await client.post("/v1/tasks", json=REQUEST)
    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "unavailable"
    assert "retry-after" in reply.headers
    assert (await services.queue.recent("anonymous", Status.QUEUED, 1, 10))[1] == 0


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"type": "txt2img.ds"}, 404, "did you mean txt2img.sd?"),
        ({"params": {}}, 422, "text is missing"),
        ({"params": {"text": "x", "widht": 3}}, 422, "widht is unknown"),
        ({"params": {"text": "x", "w": 515}}, 422, "try 512 or 520"),
        ({"params": {"text": "x", "sampler": "eular"}}, 422, "did you mean euler?"),
        ({"params": {"text": "x", "model": "tyo"}}, 422, "toy"),
        ({"params": {"text": "x", "w": 4096, "h": 4096, "max_wh": 4096}}, 422, "smaller size"),
        ({"params": {"text": "x"}, "callback_url": "ftp://x.example/"}, 422, "http"),
        ({"params": {"text": "x"}, "callback_url": "http://127.0.0.1/"}, 422, "HUA_EGRESS_ALLOW"),
        ({"priority": "urgent"}, 422, "priority"),
        ({"output": {"format": "gif"}}, 422, "output.format"),
        ({"output": {"fromat": "png"}}, 422, "output.fromat is unknown"),
        ({"retention": "1y"}, 422, "retention"),
        ({"seed": 1}, 422, "seed is unknown"),
        ({"type": "img2img.sd", "params": {"text": "x", "url": "not an image!"}}, 422, "url"),
        ({"type": "img2img.sd", "params": {"text": "x", "url": "file-" + "0" * 32}}, 422, "upload"),
    ],
)
async def test_invalid_submission_is_refused_with_advice(client, change, status, words):
    reply = await client.post("/v1/tasks", json={**REQUEST, **change})
    assert reply.status_code == status, reply.text
    assert words in reply.json()["error"]["message"]
    assert (await client.get("/v1/tasks")).json()["total"] == 0


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[]", b"null", b'{"type": "txt2img.sd"}'])
async def test_body_of_another_shape_is_refused(client, body):
    reply = await client.post("/v1/tasks", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code in {400, 422}
    assert reply.json()["error"]["message"]


async def test_body_without_json_content_type_gets_advice(client):
    """The form in which curl and many libraries send it."""
    for headers in ({}, {"Content-Type": "application/x-www-form-urlencoded"}):
        reply = await client.post("/v1/tasks", content=b'{"type": "txt2img.sd", "params": {}}', headers=headers)
        assert reply.status_code == 422
        assert "send one, with Content-Type: application/json" in reply.json()["error"]["message"]


@pytest.mark.parametrize("task_id", ["0" * 32, "x", "..%2F..%2Fsecret", "%00"])
async def test_unknown_task_is_404(client, task_id):
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/events")):
        reply = await client.request(method, f"/v1/tasks/{task_id}{path}")
        assert reply.status_code == 404
        assert reply.json()["error"]["code"] in {"unknown_task", "not_found"}


async def test_inline_image_is_not_written_to_the_log(client, services, png):
    import base64

    body = {"type": "img2img.sd", "params": {"text": "x", "url": base64.b64encode(png).decode()}}
    task = (await client.post("/v1/tasks", json=body)).json()
    assert task["params"]["url"].startswith("file-")


async def test_tasks_are_listed_by_type_model_and_words(client):
    bodies = [
        {"type": "txt2img.sd", "params": {"text": "a red house"}},
        {"type": "txt2img.sd", "params": {"text": "a red cat <lora:ink:1>", "model": "anime"}},
        {"type": "txt2txt.prompt_enhance", "params": {"text": "a cat"}},
    ]
    house, cat, _ = [(await client.post("/v1/tasks", json=body)).json().get("id") for body in bodies]

    async def listed(query):
        return [task["id"] for task in (await client.get(f"/v1/tasks?{query}")).json()["tasks"]]

    assert await listed("text=RED") == [cat, house]
    assert await listed("text=red+cat") == [cat]
    assert await listed("model=ink") == [cat]
    assert await listed("model=v1.5&type=txt2img.sd") == [house]
    assert await listed("model=gone") == []
    assert await listed("type=txt2img.sd&type=workflow") == [cat, house]
    reply = await client.get("/v1/tasks?type=txt2img.sdd")
    assert (reply.status_code, "did you mean txt2img.sd?" in reply.json()["error"]["message"]) == (404, True)
