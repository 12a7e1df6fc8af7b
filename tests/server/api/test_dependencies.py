"""Access of a caller: tasks and uploads of its own tenant, by the scopes of its key."""

import pytest
import yaml

from server.tenancy.auth import new_key
from server.tenancy.policy import SCOPES

KEY, SETTING = new_key("red")
OTHER_KEY, OTHER_SETTING = new_key("blue")
WITH_KEYS = pytest.mark.parametrize("overrides", [{"api_keys": (SETTING, OTHER_SETTING)}])
REQUEST = {"type": "txt2img.sd", "params": {"text": "x"}}


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@WITH_KEYS
async def test_tenant_cannot_see_tasks_of_another(client, overrides, png):
    """I15"""
    task_id = (await client.post("/v1/tasks", json=REQUEST, headers=bearer(KEY))).json()["id"]
    assert (await client.get(f"/v1/tasks/{task_id}", headers=bearer(KEY))).status_code == 200
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/events")):
        reply = await client.request(method, f"/v1/tasks/{task_id}{path}", headers=bearer(OTHER_KEY))
        assert reply.status_code == 404
    reply = await client.get(f"/engine/status/{task_id}", headers=bearer(OTHER_KEY))
    assert reply.json()["status"] == "not_found"
    uids = {"uid_list": [task_id], "force_interrupt": True}
    reply = await client.post("/engine/batch_status", json=uids, headers=bearer(OTHER_KEY))
    assert reply.json()["results"] == [{"status": "not_found", "pending": 0, "data": None}]
    reply = await client.post("/engine/interrupt", json=uids, headers=bearer(OTHER_KEY))
    assert reply.json()["results"] == [{"success": False, "reason": "not found"}]
    reply = await client.get("/engine/server_status", headers=bearer(OTHER_KEY))
    assert task_id not in reply.text
    assert (await client.get("/v1/tasks", headers=bearer(OTHER_KEY))).json()["total"] == 0
    assert (await client.get(f"/v1/tasks/{task_id}", headers=bearer(KEY))).json()["status"] == "queued"


@WITH_KEYS
async def test_tenant_cannot_use_uploads_of_another(client, overrides, png):
    """I15"""
    sent = await client.post("/v1/files", content=png, headers={**bearer(KEY), "Content-Type": "image/png"})
    body = {"type": "img2img.sd", "params": {"text": "x", "url": sent.json()["id"]}}
    assert (await client.post("/v1/tasks", json=body, headers=bearer(KEY))).status_code == 202
    reply = await client.post("/v1/tasks", json=body, headers=bearer(OTHER_KEY))
    assert reply.status_code == 422
    assert "is unknown or has expired" in reply.json()["error"]["message"]
    pushed = {"task": "img2img.sd", "params": body["params"]}
    reply = await client.post("/engine/push", json=pushed, headers=bearer(OTHER_KEY))
    assert "is unknown or has expired" in reply.json()["msg"]


@pytest.fixture
def scoped_key(tmp_path, overrides):
    """A tenants file with one key for each scope."""
    keys = {scope: new_key("red") for scope in SCOPES}
    listed = [{"sha256": setting.partition(":")[2], "scopes": [scope]} for scope, (_, setting) in keys.items()]
    overrides["tenants"] = tmp_path / "tenants.yaml"
    overrides["tenants"].write_text(yaml.safe_dump({"tenants": {"red": {"keys": listed}}}))
    return {scope: bearer(key) for scope, (key, _) in keys.items()}


async def test_key_reaches_only_the_routes_of_its_scopes(scoped_key, client):
    task = {"headers": scoped_key["submit"], "json": REQUEST}
    task_id = (await client.post("/v1/tasks", **task)).json()["id"]
    uids = {"uid_list": [task_id]}
    routes = [
        ("submit", "POST", "/v1/tasks", REQUEST),
        ("submit", "POST", "/v1/pipelines/txt2img.sd", {"params": REQUEST["params"]}),
        ("submit", "POST", "/engine/push", {"task": "txt2img.sd", "params": {"text": "x"}}),
        ("submit", "POST", "/engine/interrupt", uids),
        ("submit", "DELETE", f"/v1/tasks/{task_id}", None),
        ("read", "GET", "/v1/tasks", None),
        ("read", "GET", f"/v1/tasks/{task_id}", None),
        ("read", "GET", f"/v1/tasks/{task_id}/events", None),
        ("read", "GET", f"/engine/status/{task_id}", None),
        ("read", "POST", "/engine/batch_status", uids),
        ("read", "GET", "/engine/server_status", None),
        ("read", "GET", "/v1/usage", None),
        ("admin", "GET", "/v1/usage?tenant=*", None),
        ("upload", "POST", "/v1/files", None),
    ]
    for needed, method, path, body in routes:
        for scope, headers in scoped_key.items():
            reply = await client.request(method, path, json=body, headers=headers)
            assert (reply.status_code == 403) == (scope != needed), (scope, method, path)
            assert scope == needed or f"does not have the scope '{needed}'" in reply.text
    for headers in scoped_key.values():
        for path in ("/v1/models", "/v1/pipelines", "/v1/overview", "/engine/health"):
            assert (await client.get(path, headers=headers)).status_code == 200


@WITH_KEYS
async def test_idempotency_keys_of_two_tenants_are_separate(client, overrides):
    ids = set()
    for key in (KEY, OTHER_KEY):
        reply = await client.post("/v1/tasks", json=REQUEST, headers={**bearer(key), "Idempotency-Key": "1"})
        ids.add(reply.json()["id"])
    assert len(ids) == 2
