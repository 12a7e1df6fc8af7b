import pytest

from server.tenancy.auth import new_key

OURS = ["localhost", "localhost:8000", "hua", "HUA:8000", "127.0.0.1:8000", "[::1]:8000", "hua.localhost", "192.0.2.1"]
OTHERS = ["evil.example", "evil.example:8000", "localhost.evil.example", "hua.evil.example", "[::1", "evil.example:x"]


async def answer(client, host: str) -> int:
    return (await client.get("/v1/tasks", headers={"Host": host})).status_code


async def test_foreign_host_names_are_refused_without_keys(client):
    assert {host: await answer(client, host) for host in OURS} == dict.fromkeys(OURS, 200)
    assert {host: await answer(client, host) for host in OTHERS} == dict.fromkeys(OTHERS, 421)
    refused = (await client.get("/v1/tasks", headers={"Host": "evil.example"})).json()
    assert refused["error"]["code"] == "unknown_host"


@pytest.mark.parametrize("overrides", [{"allow_anonymous": True}, {"api_keys": (new_key("red")[1],)}])
async def test_every_host_name_is_trusted_with_keys_or_anonymous_use(client, overrides):
    assert await answer(client, "hua.corp") == (200 if overrides.get("allow_anonymous") else 401)
