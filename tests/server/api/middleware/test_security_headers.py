import pytest


@pytest.mark.parametrize("path", ["/", "/docs", "/nothing", "/v1/models"])
async def test_every_response_has_security_headers(client, path):
    headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
