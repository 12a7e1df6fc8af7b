import json

import pytest

from server.api.middleware import body_size
from server.api.middleware.body_size import MAX_JSON_DEPTH, MAX_JSON_NAMES


@pytest.mark.parametrize("overrides", [{"max_upload": 1024}])
@pytest.mark.parametrize("path", ["/v1/tasks", "/engine/push", "/v1/pipelines/txt2img.sd"])
async def test_body_over_the_size_limit_is_refused_by_all_routes(client, overrides, path):
    reply = await client.post(path, content=b" " * 100_000, headers={"Content-Type": "application/json"})
    assert reply.status_code == 413
    assert "bytes" in reply.text


@pytest.mark.parametrize("path", ["/v1/tasks", "/engine/push"])
async def test_json_with_too_many_values_is_refused(client, path, monkeypatch):
    monkeypatch.setattr(body_size, "MAX_JSON_VALUES", 1000)
    few = await client.post(path, json={"params": [[]] * 400})
    many = await client.post(path, json={"params": [[]] * 600})
    upload = await client.post("/v1/files", content=b"," * 2000, headers={"Content-Type": "image/png"})
    assert (few.status_code, many.status_code, upload.status_code) == (422, 413, 422)
    assert "more than 1000 values" in many.text


MANY_NAMES = {f"n{index}": 0 for index in range(MAX_JSON_NAMES)}
DEEP: list = []
for _ in range(MAX_JSON_DEPTH):
    DEEP = [DEEP]


@pytest.mark.parametrize("path", ["/v1/tasks", "/v1/pipelines/txt2img.sd", "/engine/push", "/engine/batch_status"])
@pytest.mark.parametrize(("params", "subject"), [(MANY_NAMES, "5000 names"), (DEEP, "64 levels")])
async def test_json_with_too_many_names_or_levels_is_refused(client, path, params, subject):
    reply = await client.post(path, json={"params": params})
    assert reply.status_code == 413
    assert f"more than {subject}" in reply.text


async def test_json_that_is_not_utf_8_is_refused(client):
    body = json.dumps({"type": "txt2img.sd", "params": {"text": "x"}}).encode("utf-16")
    reply = await client.post("/v1/tasks", content=body, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "unreadable")


async def test_body_too_large_has_an_error_code(client, monkeypatch):
    monkeypatch.setattr(body_size, "MAX_JSON_VALUES", 0)
    assert (await client.post("/v1/tasks", json={})).json()["error"]["code"] == "body_too_large"
