"""I15: through no dialect does a tenant see, stop, use or configure what belongs to another one."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from server.services import Services
from server.task import Status
from server.tenancy.auth import new_key

KEYS = {name: new_key(name) for name in ("red", "blue")}
LIMITED = {scope: new_key("red") for scope in ("submit", "read", "upload", "admin")}
UNKNOWN = new_key("red")[0]


@dataclass(frozen=True)
class Dialect:
    """How a client of a dialect submits a task."""

    header: str
    prefix: str
    path: str
    body: Mapping[str, Any]

    def key(self, key: str) -> dict[str, str]:
        return {self.header: self.prefix + key}


BEARER = ("Authorization", "Bearer ")
DIALECTS = {
    "hua": Dialect(*BEARER, "/v1/tasks", {"type": "txt2img.sd", "params": {"text": "x"}}),
    "nolibox": Dialect(*BEARER, "/engine/push", {"task": "txt2img.sd", "params": {"text": "x"}}),
    "openai": Dialect(*BEARER, "/v1/images/generations", {"prompt": "x", "model": "dall-e-3"}),
    "a1111": Dialect(*BEARER, "/sdapi/v1/txt2img", {"prompt": "x"}),
    "chuzhan": Dialect("Auth-Token", "", "/aiapi/v1/draw", {"prompt": "x", "modelStyleId": 1}),
    "apispace": Dialect("X-APISpace-Token", "", "/aigc/txt2img", {"text": "x"}),
    "nextgpu": Dialect(*BEARER, "/session/publish", {"taskID": "1", "data": {"parameters": {"promptText": "x"}}}),
    "ideogram": Dialect("Api-Key", "", "/v1/ideogram-v3/generate", {"prompt": "x"}),
    "ideogram legacy": Dialect("Api-Key", "", "/generate", {"image_request": {"prompt": "x"}}),
}
IN_OWN_HEADER = [name for name, dialect in DIALECTS.items() if dialect.header != "Authorization"]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def filled(body: Any, task_id: str) -> Any:
    """A body with this id in place of `{id}`."""
    if isinstance(body, dict):
        return {name: filled(value, task_id) for name, value in body.items()}
    if isinstance(body, list):
        return [filled(value, task_id) for value in body]
    return task_id if body == "{id}" else body


async def end_of(services: Services, task_id: str) -> Status:
    while not ((view := await services.queue.find(task_id)) and view.status.final):
        await asyncio.sleep(0.001)
    return view.status


@pytest.fixture
def overrides(tmp_path) -> dict[str, object]:
    """Two tenants, of which red has keys with one scope each as well."""
    path = tmp_path / "tenants.yaml"
    keys = [f"{{sha256: {stored.partition(':')[2]}, scopes: [{scope}]}}" for scope, (_, stored) in LIMITED.items()]
    path.write_text(f"tenants: {{red: {{keys: [{', '.join(keys)}]}}}}")
    return {"tenants": path, "api_keys": tuple(stored for _, stored in KEYS.values())}


@pytest.fixture
def submit(client, services):
    """Sends a request of a dialect, and returns the task that it became, which waits."""
    waiting: list[asyncio.Task[Any]] = []

    async def send(name: str, tenant: str, **headers: str):
        known = {view.task.id for view in (await services.queue.recent(tenant, None, 1, 100))[0]}
        dialect = DIALECTS[name]
        post = client.post(dialect.path, json=dialect.body, headers=dialect.key(KEYS[tenant][0]) | headers)
        waiting.append(asyncio.create_task(post))
        while True:
            views = (await services.queue.recent(tenant, None, 1, 100))[0]
            if new := [view.task for view in views if view.task.id not in known]:
                return new[0]
            if waiting[-1].done():
                assert waiting[-1].result().status_code < 300, waiting[-1].result().text
            await asyncio.sleep(0.001)

    yield send
    for each in waiting:
        each.cancel()


WRONG_KEYS = [
    *(None, b"", b" ", UNKNOWN.encode(), b"Bearer", b"Basic", b"Basic !", "Basic ключ".encode(), b"\xff\xfe"),
    *(b"Basic " + base64.b64encode(login) for login in (b"red:", b"red:" + UNKNOWN.encode(), b"\xff:\xfe", b":")),
]


@pytest.mark.parametrize("name", DIALECTS)
async def test_wrong_keys_are_refused(client, name) -> None:
    dialect = DIALECTS[name]
    for value in WRONG_KEYS:
        headers = [] if value is None else [(dialect.header.encode(), value)]
        reply = await client.post(dialect.path, json=dialect.body, headers=headers)
        assert reply.status_code == 401, (value, reply.text)
        assert "WWW-Authenticate" in reply.headers


@pytest.mark.parametrize("name", IN_OWN_HEADER)
async def test_key_of_the_dialects_own_header_decides(client, services, submit, name) -> None:
    """A wrong one is not made good by another header."""
    dialect = DIALECTS[name]
    reply = await client.post(dialect.path, json=dialect.body, headers=dialect.key(UNKNOWN) | bearer(KEYS["blue"][0]))
    assert reply.status_code == 401
    assert (await submit(name, "red", **bearer(KEYS["blue"][0]))).tenant == "red"
    assert (await services.queue.recent("blue", None, 1, 1))[1] == 0


@pytest.mark.parametrize("scope", ["read", "upload", "admin"])
async def test_key_without_the_scope_submits_nothing(client, services, scope) -> None:
    for dialect in DIALECTS.values():
        reply = await client.post(dialect.path, json=dialect.body, headers=dialect.key(LIMITED[scope][0]))
        assert (reply.status_code, "scope 'submit'" in reply.text) == (403, True), reply.text
    assert (await services.queue.recent("red", None, 1, 1))[1] == 0


READING: list[tuple[str, str, Any]] = [
    ("GET", "/v1/tasks", None),
    ("GET", "/v1/tasks/{id}", None),
    ("GET", "/v1/tasks/{id}/events", None),
    ("GET", "/engine/status/{id}", None),
    ("POST", "/engine/batch_status", {"uid_list": ["{id}"]}),
    ("GET", "/open/task/list", None),
    ("GET", "/sdapi/v1/progress", None),
    ("POST", "/internal/progress", {"id_task": "{id}"}),
    ("GET", "/internal/pending-tasks", None),
    ("POST", "/aiapi/v1/task/detail", {"taskId": "{id}"}),
    ("POST", "/aiapi/v1/customer/detail", {}),
    ("POST", "/aigc/query-image", {"uid": "{id}"}),
]
STOPPING: list[tuple[str, str, Any]] = [
    ("DELETE", "/v1/tasks/{id}", None),
    ("POST", "/v1/tasks/{id}/callback", {}),
    ("POST", "/engine/interrupt", {"uid_list": ["{id}"], "force_interrupt": True}),
    ("POST", "/sdapi/v1/interrupt", {}),
    ("POST", "/sdapi/v1/skip", {}),
]


async def test_tasks_of_others_are_not_there(client, submit) -> None:
    """Each answer about a task of another tenant is the one about a task that does not exist."""
    task, nothing = await submit("a1111", "red"), "f" * 32
    for method, path, body in READING:
        answers = []
        for task_id in (nothing, task.id):
            reply = await client.request(
                method, path.format(id=task_id), json=filled(body, task_id), headers=bearer(KEYS["blue"][0])
            )
            answers.append((reply.status_code, reply.text.replace(task_id, nothing)))
        assert answers[0] == answers[1], path
        headers = bearer(LIMITED["submit"][0])
        refused = await client.request(method, path.format(id=task.id), json=filled(body, task.id), headers=headers)
        assert refused.status_code == 403, path


@pytest.mark.parametrize("runs", [False, True])
async def test_nobody_stops_tasks_of_others(client, services, painter, submit, runs) -> None:
    task = await submit("a1111", "red")
    lease = await painter.take() if runs else None
    for method, path, body in STOPPING:
        request = {"url": path.format(id=task.id), "json": filled(body, task.id)}
        await client.request(method, **request, headers=bearer(KEYS["blue"][0]))
        assert (await client.request(method, **request, headers=bearer(LIMITED["read"][0]))).status_code == 403, path
    await painter.finish(lease or await painter.take())
    assert await end_of(services, task.id) is Status.SUCCEEDED


@pytest.mark.parametrize("name", ["hua", "openai", "chuzhan", "nextgpu"])
async def test_same_key_of_two_tenants_is_two_tasks(submit, name) -> None:
    """The Idempotency-Key, and nextGPU's taskID."""
    tasks = [await submit(name, tenant, **{"Idempotency-Key": "order"}) for tenant in KEYS]
    assert [task.tenant for task in tasks] == list(KEYS)
    assert tasks[0].id != tasks[1].id


USING_UPLOADS: dict[str, Any] = {
    "/v1/tasks": {"type": "img2img.sd", "params": {"text": "x", "url": "{id}"}},
    "/v1/images/edits": {"prompt": "x", "images": [{"file_id": "{id}"}]},
    "/v1/images/variations": {"images": [{"file_id": "{id}"}]},
    "/sdapi/v1/img2img": {"prompt": "x", "init_images": ["{id}"]},
    "/aiapi/v1/draw": {"prompt": "x", "modelStyleId": 1, "img": "{id}"},
    "/aigc/img2img": {"text": "x", "url": "{id}"},
    "/engine/push": {"task": "img2img.sd", "params": {"text": "x", "url": "{id}"}},
}


async def test_uploads_of_others_are_not_used(client, services, png) -> None:
    upload = (await client.post("/v1/files", files={"file": png}, headers=bearer(KEYS["red"][0]))).json()["id"]
    for path, body in USING_UPLOADS.items():
        reply = await client.post(path, json=filled(body, upload), headers=bearer(KEYS["blue"][0]))
        tasks = (await services.queue.recent("blue", None, 1, 9))[0]
        assert f"the upload {upload} is unknown" in reply.text or tasks, (path, reply.text)
        for view in tasks:  # where a refusal is a task that has failed
            assert await end_of(services, view.task.id) is Status.FAILED


async def test_options_belong_to_one_key(client) -> None:
    change = {"CLIP_stop_at_last_layers": 2, "samples_format": "jpg"}
    assert (await client.post("/sdapi/v1/options", json=change, headers=bearer(KEYS["red"][0]))).status_code == 200
    for headers in (bearer(KEYS["blue"][0]), bearer(LIMITED["read"][0])):
        options = (await client.get("/sdapi/v1/options", headers=headers)).json()
        assert (options["CLIP_stop_at_last_layers"], options["samples_format"]) == (1, "png")


async def test_usage_and_customer_are_those_of_the_caller(client, submit) -> None:
    await submit("hua", "red")
    customer = await client.post("/aiapi/v1/customer/detail", headers={"Auth-Token": KEYS["blue"][0]})
    assert (customer.json()["data"]["customerName"], customer.json()["data"]["taskCount"]) == ("blue", 0)
    for tenant in ("red", "*"):
        assert (
            await client.get("/v1/usage", params={"tenant": tenant}, headers=bearer(KEYS["blue"][0]))
        ).status_code == 403
