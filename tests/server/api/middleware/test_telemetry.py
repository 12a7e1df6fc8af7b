async def test_request_timer_labels_have_no_ids(client):
    await client.get("/v1/tasks/" + "a" * 32)
    text = (await client.get("/metrics")).text
    assert 'route="/v1/tasks/{task_id}",status="404"' in text
    assert "a" * 32 not in text
