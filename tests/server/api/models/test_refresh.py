"""A models folder that changes while its server runs."""

import os

from tests.support import model_files as files
from tests.support.model_files import write_model


async def refreshed(client) -> dict[str, list[object]]:
    reply = await client.post("/v1/models/refresh")
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_lora_that_is_dropped_in_can_be_used_without_a_restart(client, settings, painting):
    task = {"type": "txt2img.sd", "params": {"text": "x <lora:pen:0.5>"}}
    assert (await client.post("/v1/tasks", json=task)).json()["error"]["code"] == "unknown_model"
    file = write_model(settings.models_path / "pen.safetensors", files.LORA_SD1)
    assert await refreshed(client) == {"added": ["pen"], "changed": [], "removed": [], "problems": []}
    assert (await client.get("/v1/models/pen")).json()["kind"] == "LoRA"
    view = (await client.post("/v1/tasks", json=task, headers={"Prefer": "wait=20"})).json()
    assert view["status"] == "succeeded"
    os.utime(file, (1, 1))
    assert (await refreshed(client))["changed"] == ["pen"]
    assert (await client.get("/v1/models/pen")).json()["created"] == 1
    file.unlink()
    assert (await refreshed(client))["removed"] == ["pen"]
    assert (await client.get("/v1/models/pen")).status_code == 404
    assert (await client.post("/v1/tasks", json=task)).json()["error"]["code"] == "unknown_model"


async def test_problem_of_a_new_file_is_shown(client, settings, services, painting):
    torn = settings.models_path / "torn.safetensors"
    torn.write_bytes(b"x" * 100)
    os.utime(torn, (1, 1))
    [problem] = (await refreshed(client))["problems"]
    assert problem["names"] == ["torn"]
    assert problem["message"].startswith("torn.safetensors")
    assert (await client.get("/readyz")).json()["broken_models"] == {"torn": problem["message"]}
    assert (await client.get("/v1/models/torn")).json()["problem"] == problem["message"]


async def test_broken_yaml_changes_nothing_and_is_shown(client, settings, painting):
    (settings.models_path / "models.yaml").write_text("models: [")
    [problem] = (await refreshed(client))["problems"]
    assert "models.yaml is not valid YAML" in problem["message"]
    ready = (await client.get("/readyz")).json()
    assert ready["status"] == "ready"
    assert ready["broken_models"] == {"models folder": problem["message"]}
    task = {"type": "txt2img.sd", "params": {"text": "x", "model": "v1.5"}}
    assert (await client.post("/v1/tasks", json=task)).status_code == 202
