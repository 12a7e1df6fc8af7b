import subprocess
import sys

import httpx
import pytest

from server.api.app import create_probes_app
from server.observability.metrics import REGISTRY
from server.tenancy.auth import new_key

KEY, SETTING = new_key("red")
OTHER_KEY, OTHER_SETTING = new_key("blue")
WITH_KEYS = pytest.mark.parametrize("overrides", [{"api_keys": (SETTING, OTHER_SETTING)}])
REQUEST = {"type": "txt2img.sd", "params": {"text": "x"}}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@WITH_KEYS
async def test_requests_without_a_key_reach_public_routes_only(client, overrides):
    document = (await client.get("/openapi.json")).json()
    for path, methods in document["paths"].items():
        for method in methods:
            reply = await client.request(method.upper(), path.replace("{", "").replace("}", ""), json={})
            is_open = path.startswith(("/files", "/healthz", "/readyz", "/metrics"))
            assert (reply.status_code not in (401, 403)) == is_open, path
            assert is_open or reply.status_code == 403 or "www-authenticate" in reply.headers
    for path in ("/", "/docs", "/redoc", "/page/page.js"):
        assert (await client.get(path)).status_code == 200


async def test_probes_app_serves_metrics_and_probes_alone(services):
    transport = httpx.ASGITransport(create_probes_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://role") as probes:
        assert (await probes.get("/healthz")).json() == {"status": "alive"}
        assert "no worker is ready" in (await probes.get("/readyz")).json()["error"]["message"]
        assert "hua_tasks_queued" in (await probes.get("/metrics")).text
        for path in ("/v1/tasks", "/docs", "/openapi.json"):
            assert (await probes.get(path)).status_code == 404


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("PUT", "/v1/tasks", 405)])
async def test_unknown_address_and_method_have_our_error_shape(client, method, path, status):
    reply = await client.request(method, path)
    assert reply.status_code == status
    assert reply.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/models", "/engine/server_status"])
async def test_internal_error_is_500_without_details(client, services, monkeypatch, path, caplog):
    async def broken() -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(services.queue, "overview", broken)
    reply = await client.get(path)
    assert reply.status_code == 500
    assert "secret detail" not in reply.text
    assert "secret detail" in caplog.text


async def test_refusals_are_counted_by_route_and_code(client):
    def refused() -> float:
        labels = {"route": "/v1/tasks", "code": "invalid_params"}
        return REGISTRY.get_sample_value("hua_requests_refused_total", labels) or 0.0

    before = refused()
    await client.post("/v1/tasks", json={"type": "txt2img.sd", "params": {}})
    assert refused() == before + 1


@pytest.mark.parametrize("overrides", [{"cors": ("https://app.example",)}])
async def test_cors_allows_only_listed_origins(client, overrides):
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "Authorization, Prefer"}
    reply = await client.options("/v1/tasks", headers={"Origin": "https://app.example", **preflight})
    assert reply.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-credentials" not in reply.headers
    assert reply.headers["access-control-allow-methods"] == "GET, POST, PUT, DELETE"
    reply = await client.options("/v1/tasks", headers={"Origin": "https://other.example", **preflight})
    assert "access-control-allow-origin" not in reply.headers
    reply = await client.get("/v1/tasks/unknown", headers={"Origin": "https://app.example"})
    assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (404, "https://app.example")


async def test_cors_is_off_by_default(client):
    reply = await client.get("/v1/models", headers={"Origin": "https://app.example"})
    assert not [name for name in reply.headers if name.startswith("access-control")]


def test_app_starts_without_torch():
    code = (
        "import server.api.app, sys; sys.exit(bool({'torch', 'diffusers', 'transformers', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
