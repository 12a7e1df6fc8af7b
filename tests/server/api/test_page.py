import re
from pathlib import Path

import pytest

from server.api.app import STATIC

OUTSIDE = re.compile(r"(?:https?:)?//(?!www\.w3\.org)[a-z0-9.-]+\.[a-z]{2,}", re.IGNORECASE)


@pytest.mark.parametrize("file", sorted(STATIC.iterdir()), ids=lambda file: file.name)
def test_page_has_no_external_urls(file: Path):
    assert not OUTSIDE.findall(file.read_text())


async def test_page_and_its_files_are_served(client):
    page = await client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    paths = re.findall(r'(?:src|href)="(page/[^"]+)"', page.text)
    assert len(paths) >= 3
    for script in STATIC.glob("*.js"):
        paths += [f"page/{name}" for name in re.findall(r'from "\./([^"]+)"', script.read_text())]
    for path in paths:
        assert (await client.get("/" + path)).status_code == 200


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/v1/models"])
async def test_content_security_policy_allows_no_other_servers(client, path):
    policy = (await client.get(path)).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_docs_load_scripts_from_this_server(client, path):
    sources = re.findall(r'(?:src|href)="([^"]+)"', (await client.get(path)).text)
    assert sources
    for source in sources:
        assert source.startswith("/")
        assert (await client.get(source)).status_code == 200
