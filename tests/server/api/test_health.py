import asyncio
import dataclasses

import httpx
import pytest

from server.api.app import create_app, create_probes_app
from server.process import disk_space
from server.queue import WorkerView
from server.queue.redis.queue import RedisQueue
from server.services import Services
from tests.support.tools import free_port

PARTS = ("queue", "broker", "bucket", "workers")


async def test_healthz_is_ok_without_workers(client):
    assert (await client.get("/healthz")).json() == {"status": "alive"}


async def test_readyz_needs_a_ready_worker(client, services):
    reply = await client.get("/readyz")
    assert reply.status_code == 503
    assert "no worker is ready" in reply.json()["error"]["message"]
    problem = "the device process loads toy"
    await services.queue.announce(WorkerView(name="w1", device="cpu", state="starting", problem=problem))
    await services.queue.announce(WorkerView(name="w2", device="cpu", state="starting", problem=problem))
    message = (await client.get("/readyz")).json()["error"]["message"]
    assert f"the workers are starting ({problem}); wait" in message, "a reason that all have is told once"
    await services.queue.announce(WorkerView(name="w1", device="cpu", state="ready"))
    reply = await client.get("/readyz")
    assert (reply.status_code, reply.json()["status"]) == (200, "ready")
    assert {name: part["ready"] for name, part in reply.json()["parts"].items()} == dict.fromkeys(PARTS, True)


async def get_ready(client: httpx.AsyncClient, services: Services, ready: bool) -> dict[str, str]:
    """Waits until /readyz says so. The reasons of the parts that are not ready."""
    while True:
        await services.queue.announce(WorkerView(name="w1", device="cpu", state="ready"))
        reply = await client.get("/readyz")
        if (reply.status_code == 200) is ready:
            return {name: part["reason"] for name, part in reply.json()["parts"].items() if not part["ready"]}
        await asyncio.sleep(0.05)


async def test_server_is_not_ready_while_the_disk_is_full(client, services, monkeypatch):
    assert await get_ready(client, services, True) == {}
    with monkeypatch.context() as full:
        full.setattr(disk_space, "LEAST_FREE_BYTES", 1 << 62)
        reasons = await get_ready(client, services, False)
        while set(reasons) != {"broker", "bucket"}:
            reasons = await get_ready(client, services, False)
        assert "KiB left" in reasons["broker"]
        assert "KiB left" in reasons["bucket"]
    assert await get_ready(client, services, True) == {}


async def test_server_is_not_ready_while_its_log_is_deleted(client, services, settings):
    (settings.data_dir / "logs.sqlite").unlink()
    assert "deleted or replaced" in (await get_ready(client, services, False))["broker"]
    reply = await client.post("/v1/tasks", json={"type": "txt2img.sd", "params": {"text": "x"}})
    assert reply.status_code == 503, "an accepted task would be lost at the next start"


async def test_readyz_of_a_server_without_redis_names_the_queue(client, services, own_redis, settings):
    queue = RedisQueue(own_redis.url)
    own_redis.stop()
    transport = httpx.ASGITransport(create_app(dataclasses.replace(services, queue=queue)))
    async with httpx.AsyncClient(transport=transport, base_url="http://hua") as client:
        reply = await client.get("/readyz")
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "not_ready")
    not_ready = {name for name, part in reply.json()["parts"].items() if not part["ready"]}
    assert not_ready == {"queue", "workers"}
    assert reply.json()["error"]["message"].count("check that Redis runs") == 1
    await queue.close()


@pytest.mark.parametrize("overrides", [{"queue": f"redis://127.0.0.1:{free_port()}/0"}])
async def test_metrics_are_served_while_the_queue_is_unavailable(settings):
    services = Services.from_settings(settings)
    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://hua") as client:
        reply = await client.get("/metrics")
    assert reply.status_code == 200
    assert 'hua_dependency_up{dependency="queue"} 0.0' in reply.text
    assert "hua_tasks_queued" not in reply.text
    await services.close()


async def test_metrics_include_queue_and_requests(client, services):
    await client.post("/v1/tasks", json={"type": "txt2img.sd", "params": {"text": "x"}})
    text = (await client.get("/metrics")).text
    assert 'hua_tasks_queued{class="normal"} 1.0' in text
    assert 'hua_tasks_accepted_total{class="normal",type="txt2img.sd"}' in text
    assert 'hua_http_request_seconds_count{method="POST",route="/v1/tasks",status="202"}' in text


@pytest.mark.parametrize("overrides", [{"queue": "memory://"}])
async def test_server_is_not_ready_before_the_logs_are_read(settings):
    services = Services.from_settings(settings)
    await services.queue.announce(WorkerView(name="w1", device="cpu", state="ready"))
    transport = httpx.ASGITransport(create_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://hua") as client:
        task = {"type": "txt2img.sd", "params": {"text": "x"}}
        for reply in (await client.get("/readyz"), await client.post("/v1/tasks", json=task)):
            assert (reply.status_code, "Retry-After" in reply.headers) == (503, True)
            assert "still being read" in reply.json()["error"]["message"]
        await services.queue.open()
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.post("/v1/tasks", json=task)).status_code == 202
    await services.close()


async def test_port_of_probes_is_ready_when_the_api_is(services):
    await services.queue.announce(WorkerView(name="w1", device="cpu", state="ready"))
    transport = httpx.ASGITransport(create_probes_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://hua") as client:
        assert (await client.get("/readyz")).status_code == 200
