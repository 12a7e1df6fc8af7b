import gzip

import pytest

from server.api.static.page_files import PAGE

SCRIPT = PAGE / "page" / "page.js"


@pytest.mark.parametrize("path", ["/", "/page/page.js", "/page/index.css"])
async def test_browsers_ask_each_time_whether_the_page_has_changed(client, path):
    assert (await client.get(path)).headers["cache-control"] == "no-cache"


async def test_script_is_compressed_and_sent_once(client):
    first = await client.get("/page/page.js")
    assert (first.headers["content-encoding"], first.content) == ("gzip", SCRIPT.read_bytes())
    assert first.num_bytes_downloaded < 1.1 * len(gzip.compress(SCRIPT.read_bytes()))
    again = await client.get("/page/page.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["cache-control"]) == (304, b"", "no-cache")


async def test_part_of_a_file_is_not_compressed(client):
    whole = await client.get("/page/page.js")
    part = await client.get("/page/page.js", headers={"Range": "bytes=100-9999"})
    assert (part.status_code, part.content) == (206, SCRIPT.read_bytes()[100:10_000])
    assert "content-encoding" not in part.headers
    # A weak ETag does not stand for bytes, so a part of them cannot be added to what a client has.
    resumed = await client.get("/page/page.js", headers={"Range": "bytes=100-", "If-Range": whole.headers["etag"]})
    assert (resumed.status_code, resumed.content) == (200, SCRIPT.read_bytes())


async def test_pictures_stay_as_they_are(client):
    reply = await client.get("/page/example-1.webp")
    assert "content-encoding" not in reply.headers
    assert reply.headers["etag"].startswith('"')
