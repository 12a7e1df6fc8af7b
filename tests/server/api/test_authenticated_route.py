import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from itertools import pairwise

import httpx
import pytest

from server.api import authenticated_route
from server.api.app import create_app
from server.api.authenticated_route import LARGE_BYTES
from server.process import http_listener
from server.tasks.lookup import cancel, find_record
from server.tenancy import open_requests
from server.tenancy.auth import new_key

PATHS = ("/v1/tasks", "/v1/files", "/v1/pipelines/txt2img.sd", "/engine/push", "/engine/interrupt", "/push")


@pytest.mark.parametrize("overrides", [{"api_keys": (new_key("red")[1],)}])
async def test_body_is_not_read_without_a_key(client, overrides):
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append("a part")
        yield b"{"

    for path in PATHS:
        reply = await client.post(path, content=body(), headers={"Content-Type": "application/json"})
        assert (reply.status_code, read) == (401, []), path
    assert (await client.post("/engine/push", content=body())).json()["success"] is False


JSON = {"Content-Type": "application/json"}
TASK = {"type": "txt2img.sd", "params": {"text": "画"}}


async def test_json_may_begin_with_a_byte_order_mark(client):
    reply = await client.post("/v1/tasks", content=json.dumps(TASK).encode("utf-8-sig"), headers=JSON)
    assert reply.status_code == 202


@pytest.mark.parametrize("body", [b"{", b'{"a": nul}', b'{"a": 1} 2'])
async def test_body_that_is_no_json_is_refused(client, body):
    reply = await client.post("/v1/tasks", content=body, headers=JSON)
    assert reply.status_code == 422
    assert "not valid JSON" in reply.json()["error"]["message"]


async def test_number_of_too_many_digits_is_refused_by_name(client):
    reply = await client.post("/v1/tasks", content=b'{"type": 1' + b"0" * 5000 + b"}", headers=JSON)
    assert (reply.status_code, "a number has too many digits" in reply.json()["error"]["message"]) == (422, True)


async def test_loop_runs_between_large_bodies(client, monkeypatch):
    turns, parsed_in = 0, []

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def parse(body: bytes) -> object:
        parsed_in.append(turns)
        return json.loads(body)

    monkeypatch.setattr(authenticated_route, "from_json", parse)
    counting = asyncio.create_task(count_turns())
    body = json.dumps({"type": "txt2img.sd", "params": {"text": "x" * LARGE_BYTES}})
    replies = await asyncio.gather(*(client.post("/v1/tasks", content=body, headers=JSON) for _ in range(5)))
    counting.cancel()
    assert {reply.status_code for reply in replies} == {422}
    assert all(later - earlier >= 2 for earlier, later in pairwise(parsed_in))


@pytest.fixture
def low_rate(tmp_path, overrides) -> None:
    """One submission, then one in ten minutes."""
    overrides["tenants"] = tmp_path / "tenants.yaml"
    overrides["tenants"].write_text("tenants: {red: {rate: {per_minute: 0.1, burst: 1}}}")
    overrides["api_keys"] = (KEY[1],)


KEY = new_key("red")
HEADERS = JSON | {"Authorization": f"Bearer {KEY[0]}"}


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/pipelines/txt2img.sd", "/engine/push", "/push"])
async def test_refused_submission_takes_a_token_before_its_body_is_read(low_rate, client, path):
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append("a part")
        yield b"{"

    assert (await client.post(path, content=b"{", headers=HEADERS)).status_code == 422
    reply = await client.post(path, content=body(), headers=HEADERS)
    assert (reply.status_code, read) == (429, [])
    assert int(reply.headers["retry-after"]) > 1


async def test_requests_that_submit_nothing_take_no_token(low_rate, client):
    for _ in range(3):
        assert (await client.post("/engine/batch_status", json={"uid_list": []}, headers=HEADERS)).status_code == 200
    assert (await client.post("/v1/tasks", json=TASK, headers=HEADERS)).status_code == 202


async def test_repeated_submission_takes_no_token(low_rate, client):
    keyed = HEADERS | {"Idempotency-Key": "order-1"}
    for _ in range(3):
        assert (await client.post("/v1/tasks", json=TASK, headers=keyed)).status_code == 202
    assert (await client.post("/v1/tasks", json=TASK, headers=HEADERS)).status_code == 429
    assert (await client.post("/engine/push", json=TASK, headers=keyed)).status_code == 429


async def others_run() -> None:
    """Other tasks of the loop run until they wait."""
    for _ in range(100):
        await asyncio.sleep(0)


@pytest.mark.parametrize("path", ["/v1/files", "/v1/tasks", "/engine/push"])
async def test_open_requests_of_a_tenant_are_limited(client, monkeypatch, path):
    """The body of the first request has not ended when the second one comes."""
    monkeypatch.setattr(open_requests, "LEAST", 1)
    monkeypatch.setattr(open_requests, "PER_TASK", 0)
    second = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await second.wait()

    first = asyncio.create_task(client.post(path, content=body(), headers=JSON))
    await others_run()
    reply = await client.get("/v1/tasks")
    assert (reply.status_code, reply.json()["error"]["code"]) == (429, "too_many_requests")
    assert (await client.post("/engine/batch_status", json={"uid_list": []})).json()["success"] is False
    second.set()
    assert (await first).status_code == 422
    assert (await client.get("/v1/tasks")).status_code == 200


async def test_events_count_as_open_until_they_end(client, services, monkeypatch):
    monkeypatch.setattr(open_requests, "LEAST", 1)
    monkeypatch.setattr(open_requests, "PER_TASK", 0)
    task_id = (await client.post("/v1/tasks", json=TASK)).json()["id"]
    following = asyncio.create_task(client.get(f"/v1/tasks/{task_id}/events"))
    await others_run()
    assert (await client.get("/v1/tasks")).status_code == 429
    await cancel(services, await find_record(services, task_id, "anonymous"))
    assert "canceled" in (await following).text
    assert (await client.get("/v1/tasks")).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/sdapi/v1/txt2img", {"prompt": "a"}, lambda reply: reply["error"]),
        ("/v1/images/generations", {"prompt": "a"}, lambda reply: reply["error"]["code"]),
        ("/v1/tasks", TASK, lambda reply: reply["error"]["code"]),
    ],
)
async def test_request_that_waits_is_answered_when_the_server_stops(services, monkeypatch, path, body, reason):
    monkeypatch.setattr(http_listener, "CLOSE_S", 0)
    with http_listener.listen("127.0.0.1", 0) as listener:
        serving = asyncio.create_task(http_listener.serve_app(create_app(services), listener, 10))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}") as client:
            waiting = asyncio.create_task(client.post(path, json=body, headers={"Prefer": "wait=60"}, timeout=30))
            while not (await services.queue.overview()).queued:
                await asyncio.sleep(0.005)
            serving.cancel()
            reply = await waiting
    assert (reply.status_code, reason(reply.json())) == (503, "stopping")
    assert (await services.queue.overview()).queued == 1
    with contextlib.suppress(asyncio.CancelledError):
        await serving
