import pytest

from server.api.middleware import body_size


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


async def test_body_too_large_has_an_error_code(client, monkeypatch):
    monkeypatch.setattr(body_size, "MAX_JSON_VALUES", 0)
    assert (await client.post("/v1/tasks", json={})).json()["error"]["code"] == "body_too_large"
