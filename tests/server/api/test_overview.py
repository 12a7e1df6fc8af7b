async def test_overview_counts_tasks_and_workers(client, painter):
    body = {"type": "txt2img.sd", "params": {"text": "x"}}
    for _ in range(2):
        await client.post("/v1/tasks", json=body)
    await painter.take()
    overview = (await client.get("/v1/overview")).json()
    assert (overview["queued"], overview["running"]) == (1, 1)
    assert overview["queued_cost"] == 1.0
    (worker,) = overview["workers"]
    assert (worker["name"], worker["state"], worker["resident"]) == ("w1", "ready", ["toy"])
