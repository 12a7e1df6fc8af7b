from collections.abc import AsyncIterator

import pytest

from server.tenancy.auth import new_key

PATHS = ("/v1/tasks", "/v1/files", "/v1/pipelines/txt2img.sd", "/engine/push", "/engine/interrupt", "/push")


@pytest.mark.parametrize("overrides", [{"api_keys": (new_key("red")[1],)}])
async def test_body_is_not_read_without_a_key(client, overrides):
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append("a part")
        yield b"{"

    for path in PATHS:
        reply = await client.post(path, content=body(), headers={"Content-Type": "application/json"})
        assert (reply.status_code, read) == (401, []), path
    assert (await client.post("/engine/push", content=body())).json()["success"] is False
