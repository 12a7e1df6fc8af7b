import pytest


@pytest.mark.parametrize("path", ["/", "/docs", "/nothing", "/v1/models"])
async def test_every_answer_tells_browsers_not_to_guess(client, path):
    headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


@pytest.mark.parametrize("overrides", [{"max_upload": 1024}])
@pytest.mark.parametrize("path", ["/v1/tasks", "/engine/push", "/v1/pipelines/txt2img.sd"])
async def test_a_body_over_the_limit_is_refused_everywhere(client, overrides, path):
    reply = await client.post(path, content=b" " * 100_000, headers={"Content-Type": "application/json"})
    assert reply.status_code == 413
    assert "bytes" in reply.text


async def test_ids_do_not_become_labels(client):
    await client.get("/v1/tasks/" + "a" * 32)
    text = (await client.get("/metrics")).text
    assert 'route="/v1/tasks/{task_id}",status="404"' in text
    assert "a" * 32 not in text
