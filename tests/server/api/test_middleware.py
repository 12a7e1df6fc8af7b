import pytest

from server.api import middleware


@pytest.mark.parametrize("path", ["/", "/docs", "/nothing", "/v1/models"])
async def test_every_response_has_security_headers(client, path):
    headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("overrides", [{"max_upload": 1024}])
@pytest.mark.parametrize("path", ["/v1/tasks", "/engine/push", "/v1/pipelines/txt2img.sd"])
async def test_body_over_the_size_limit_is_refused_by_all_routes(client, overrides, path):
    reply = await client.post(path, content=b" " * 100_000, headers={"Content-Type": "application/json"})
    assert reply.status_code == 413
    assert "bytes" in reply.text


@pytest.mark.parametrize("path", ["/v1/tasks", "/engine/push"])
async def test_json_with_too_many_values_is_refused(client, path, monkeypatch):
    monkeypatch.setattr(middleware, "MAX_JSON_VALUES", 1000)
    few = await client.post(path, json={"params": [[]] * 400})
    many = await client.post(path, json={"params": [[]] * 600})
    picture = await client.post("/v1/files", content=b"," * 2000, headers={"Content-Type": "image/png"})
    assert (few.status_code, many.status_code, picture.status_code) == (422, 413, 422)
    assert "more than 1000 values" in many.text


async def test_body_too_large_has_an_error_code(client, monkeypatch):
    monkeypatch.setattr(middleware, "MAX_JSON_VALUES", 0)
    assert (await client.post("/v1/tasks", json={})).json()["error"]["code"] == "body_too_large"


async def test_request_timer_labels_have_no_ids(client):
    await client.get("/v1/tasks/" + "a" * 32)
    text = (await client.get("/metrics")).text
    assert 'route="/v1/tasks/{task_id}",status="404"' in text
    assert "a" * 32 not in text
