import hashlib
import io
import re
import time

import httpx
import pytest
from PIL import Image as Picture

from server.api.files import routes as files

REQUEST = {"type": "txt2img.sd", "params": {"text": "x"}}


@pytest.fixture(params=["folder", "s3"])
def overrides(request, s3_settings):
    """All tests run with a folder and with S3."""
    return s3_settings if request.param == "s3" else {}


@pytest.fixture
async def image(client, painting) -> dict[str, object]:
    return (await client.post("/v1/tasks", json=REQUEST, headers={"Prefer": "wait=10"})).json()["images"][0]


async def test_image_has_content_type_and_cache_headers(client, image):
    reply = await client.get(image["url"])
    assert reply.status_code == 200
    assert hashlib.sha256(reply.content).hexdigest() == image["sha256"]
    assert reply.headers["content-type"] == "image/png"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in reply.headers["cache-control"]
    again = await client.get(image["url"], headers={"If-None-Match": reply.headers["etag"]})
    assert again.status_code == 304
    assert (await client.head(image["url"])).status_code == 200


async def test_changed_link_is_403(client, image):
    reply = await client.get(image["url"][:-1] + ("0" if image["url"][-1] != "0" else "1"))
    assert reply.status_code == 403
    assert reply.json()["error"]["code"] == "bad_signature"


async def test_image_is_410_after_its_retention(client, services, image):
    task_id = image["url"].split("/files/")[1].split("/")[0]
    reply = await client.get(services.links.image(task_id, 0, "png", 1_000_000))
    assert reply.status_code == 410
    assert reply.json()["error"]["code"] == "expired"
    assert "retention" in reply.json()["error"]["message"]


async def test_link_with_another_format_converts_the_file(client, services, image):
    task_id = image["url"].split("/files/")[1].split("/")[0]
    for extension, quality, kind in (("jpeg", 80, "JPEG"), ("webp", None, "WEBP"), ("png", None, "PNG")):
        reply = await client.get(services.links.image(task_id, 0, extension, 2**40, quality))
        assert (reply.status_code, reply.headers["content-type"]) == (200, f"image/{extension}")
        with Picture.open(io.BytesIO(reply.content)) as picture:
            assert (picture.format, picture.size) == (kind, (16, 16))
    link = services.links.image(task_id, 0, "jpeg", 2**40, 80)
    assert (await client.get(link.replace("quality=80", "quality=81"))).status_code == 403
    assert (await client.get(link.replace("&quality=80", ""))).status_code == 403
    assert (await client.get(image["url"] + "&quality=80")).status_code == 403


async def test_deleted_image_is_410(client, services, image):
    task_id = image["url"].split("/files/")[1].split("/")[0]
    manifest = await services.bucket.manifest(task_id)
    await services.bucket.delete([manifest.outcome.images[0].key])
    assert (await client.get(image["url"])).status_code == 410
    assert (await client.get(services.links.image(task_id, 0, "jpeg", 2**40))).status_code == 410


async def test_link_to_an_unknown_image_is_410(client, services, image):
    task_id = image["url"].split("/files/")[1].split("/")[0]
    for url in (services.links.image(task_id, 7, "png", 2**40), services.links.image("0" * 32, 0, "png", 2**40)):
        assert (await client.get(url)).status_code == 410


@pytest.mark.parametrize("path", ["/files/x/0.png", "/files/" + "0" * 32 + "/0.gif", "/files/" + "0" * 32 + "/-1.png"])
async def test_malformed_link_is_422(client, path):
    assert (await client.get(path, params={"expires": 1, "signature": "x"})).status_code == 422


async def test_range_request_returns_part_of_an_image(client, image, monkeypatch):
    whole = (await client.get(image["url"])).content
    reply = await client.get(image["url"], headers={"Range": "bytes=10-19"})
    assert (reply.status_code, reply.content) == (206, whole[10:20])
    assert reply.headers["content-range"] == f"bytes 10-19/{len(whole)}"
    assert (reply.headers["content-length"], reply.headers["content-type"]) == ("10", "image/png")
    changed = {"Range": "bytes=10-19", "If-Range": '"of another image"'}
    assert (await client.get(image["url"], headers=changed)).status_code == 200
    beyond = await client.get(image["url"], headers={"Range": f"bytes={len(whole)}-"})
    assert beyond.status_code == 416
    assert beyond.headers["content-range"] == f"bytes */{len(whole)}"
    monkeypatch.setattr(files, "CHUNK_BYTES", 7)
    assert (await client.get(image["url"])).content == whole
    assert (await client.get(image["url"], headers={"Range": "bytes=3-41"})).content == whole[3:42]
    head = await client.head(image["url"])
    assert (head.headers["content-length"], head.headers["accept-ranges"]) == (str(len(whole)), "bytes")


class TestWithAPublicEndpoint:
    @pytest.fixture
    def overrides(self, s3_settings):
        return s3_settings | {"s3_public_endpoint": s3_settings["s3_endpoint"]}

    async def test_link_redirects_to_the_bucket_for_an_hour_at_most(self, client, image):
        reply = await client.get(image["url"])
        assert reply.status_code == 307
        assert "X-Amz-Expires=3600&" in reply.headers["location"]
        assert reply.headers["cache-control"] == "private, max-age=1800"
        stored = httpx.get(reply.headers["location"], trust_env=False)
        assert hashlib.sha256(stored.content).hexdigest() == image["sha256"]
        assert stored.headers["content-type"] == "image/png"
        assert (await client.head(image["url"])).status_code == 200

    async def test_scripts_of_pages_get_the_image_itself(self, client, image):
        """They may not follow a redirect to another origin."""
        reply = await client.get(f"{image['url']}&redirect=false")
        assert (reply.status_code, hashlib.sha256(reply.content).hexdigest()) == (200, image["sha256"])

    async def test_redirect_expires_with_its_image(self, client, services, image):
        """I14"""
        task_id = image["url"].split("/files/")[1].split("/")[0]
        reply = await client.get(services.links.image(task_id, 0, "png", time.time() + 90))
        life_s = int(re.search(r"X-Amz-Expires=(\d+)", reply.headers["location"])[1])
        assert 60 < life_s <= 90
        assert (await client.get(services.links.image(task_id, 0, "png", 1_000_000))).status_code == 410

    async def test_page_policy_allows_images_of_the_public_endpoint(self, client, s3_settings):
        policy = (await client.get("/")).headers["content-security-policy"]
        assert f"img-src 'self' data: blob: {s3_settings['s3_endpoint']};" in policy
