from server.queue import WorkerView


async def test_the_process_is_alive_without_any_worker(client):
    assert (await client.get("/healthz")).json() == {"status": "alive"}


async def test_ready_means_a_worker_is_ready(client, services):
    reply = await client.get("/readyz")
    assert reply.status_code == 503
    assert "no worker is ready" in reply.json()["error"]["message"]
    await services.queue.announce(WorkerView(name="w1", device="cpu", state="starting"))
    assert "starting" in (await client.get("/readyz")).json()["error"]["message"]
    await services.queue.announce(WorkerView(name="w1", device="cpu", state="ready"))
    assert (await client.get("/readyz")).status_code == 200


async def test_metrics_name_the_queue_and_the_requests(client, services):
    await client.post("/v1/tasks", json={"type": "txt2img.sd", "params": {"text": "x"}})
    text = (await client.get("/metrics")).text
    assert 'hua_tasks_queued{class="normal"} 1.0' in text
    assert 'hua_tasks_accepted_total{class="normal",type="txt2img.sd"}' in text
    assert 'hua_http_request_seconds_count{method="POST",route="/v1/tasks",status="202"}' in text
