import subprocess
import sys

import pytest

from server.auth import new_key

KEY, SETTING = new_key("red")
OTHER_KEY, OTHER_SETTING = new_key("blue")
WITH_KEYS = pytest.mark.parametrize("overrides", [{"api_keys": (SETTING, OTHER_SETTING)}])
WISH = {"type": "txt2img.sd", "params": {"text": "x"}}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@WITH_KEYS
async def test_without_a_key_only_the_open_routes_answer(client, overrides):
    document = (await client.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method in methods:
            reply = await client.request(method.upper(), path.replace("{", "").replace("}", ""), json={})
            is_open = path.startswith(("/files", "/healthz", "/readyz", "/metrics"))
            assert (reply.status_code != 401) == is_open, path
            assert is_open or "www-authenticate" in reply.headers
    for path in ("/", "/docs", "/redoc", "/page/hua.js"):
        assert (await client.get(path)).status_code == 200


@WITH_KEYS
async def test_a_tenant_sees_nothing_of_another(client, overrides):
    task_id = (await client.post("/v1/tasks", json=WISH, headers=bearer(KEY))).json()["id"]
    assert (await client.get(f"/v1/tasks/{task_id}", headers=bearer(KEY))).status_code == 200
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/events")):
        reply = await client.request(method, f"/v1/tasks/{task_id}{path}", headers=bearer(OTHER_KEY))
        assert reply.status_code == 404
    reply = await client.get(f"/engine/status/{task_id}", headers=bearer(OTHER_KEY))
    assert reply.json()["status"] == "not_found"
    assert (await client.get("/v1/tasks", headers=bearer(OTHER_KEY))).json()["total"] == 0


@WITH_KEYS
async def test_two_tenants_with_one_idempotency_key_have_two_tasks(client, overrides):
    ids = set()
    for key in (KEY, OTHER_KEY):
        reply = await client.post("/v1/tasks", json=WISH, headers={**bearer(key), "Idempotency-Key": "1"})
        ids.add(reply.json()["id"])
    assert len(ids) == 2


@WITH_KEYS
async def test_the_apis_description_asks_for_a_key_where_there_are_keys(client, overrides):
    document = (await client.get("/openapi.json")).json()
    assert set(document["components"]["securitySchemes"]) == {"HTTPBearer", "HTTPBasic"}
    assert "security" not in document["paths"]["/healthz"]["get"]


async def test_the_apis_description_asks_for_none_without(client):
    assert "securitySchemes" not in (await client.get("/openapi.json")).json()["components"]


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("PUT", "/v1/tasks", 405)])
async def test_what_is_not_there_is_said_in_our_shape(client, method, path, status):
    reply = await client.request(method, path)
    assert reply.status_code == status
    assert reply.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/models", "/engine/server_status"])
async def test_a_fault_of_ours_is_500_and_tells_no_secrets(client, services, monkeypatch, path, caplog):
    async def broken() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(services.queue, "overview", broken)
    reply = await client.get(path)
    assert reply.status_code == 500
    assert "secret detail" not in reply.text
    assert "secret detail" in caplog.text


def test_the_api_starts_without_torch():
    code = "import server.app, sys; sys.exit(bool({'torch', 'diffusers', 'transformers', 'scipy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
