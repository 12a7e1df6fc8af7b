import pytest

from server.tenancy.auth import new_key

ALICE = new_key("alice")
UNKNOWN = ["/v1/ideogram-v3/unknown", "/v1/ideogram-v4/generate", "/ideogram/eidt", "/manage/api/api_keys", "/datasets"]


@pytest.mark.parametrize("path", UNKNOWN)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_unknown_address_is_refused_in_the_shape_of_ideogram(client, method, path):
    reply = await client.request(method, path)
    assert (reply.status_code, type(reply.json()["error"])) == (404, str)


@pytest.mark.parametrize("path", ["/generate", "/ideogram/describe"])
async def test_other_method_is_refused(client, path):
    reply = await client.get(path)
    assert (reply.status_code, list(reply.json()), reply.headers["Allow"]) == (405, ["error"], "POST")


@pytest.mark.parametrize("overrides", [{"api_keys": (ALICE[1],)}])
@pytest.mark.parametrize(("path", "status"), [("/generate", 401), ("/describe", 401), ("/ideogram/generate", 401)])
async def test_unknown_key_is_refused(client, path, status):
    for headers in ({}, {"Api-Key": "wrong"}, {"Authorization": "Bearer wrong"}):
        reply = await client.post(path, headers=headers)
        assert (reply.status_code, list(reply.json())) == (status, ["error"])
