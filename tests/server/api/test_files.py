import hashlib

import pytest

WISH = {"type": "txt2img.sd", "params": {"text": "x"}}


@pytest.fixture
async def image(client, painting) -> dict[str, object]:
    return (await client.post("/v1/tasks", json=WISH, headers={"Prefer": "wait=10"})).json()["images"][0]


async def test_an_image_comes_with_its_type_and_may_be_kept(client, image):
    reply = await client.get(image["url"])
    assert reply.status_code == 200
    assert hashlib.sha256(reply.content).hexdigest() == image["sha256"]
    assert reply.headers["content-type"] == "image/png"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in reply.headers["cache-control"]
    again = await client.get(image["url"], headers={"If-None-Match": reply.headers["etag"]})
    assert again.status_code == 304
    assert (await client.head(image["url"])).status_code == 200


async def test_a_changed_link_is_403(client, image):
    reply = await client.get(image["url"][:-1] + ("0" if image["url"][-1] != "0" else "1"))
    assert reply.status_code == 403
    assert reply.json()["error"]["code"] == "bad_signature"


async def test_after_its_retention_an_image_is_410(client, services, image):
    task_id = image["url"].split("/files/")[1].split("/")[0]
    reply = await client.get(services.links.image(task_id, 0, "png", 1_000_000))
    assert reply.status_code == 410
    assert reply.json()["error"]["code"] == "expired"
    assert "retention" in reply.json()["error"]["message"]


async def test_an_image_that_was_swept_is_410(client, services, image):
    task_id = image["url"].split("/files/")[1].split("/")[0]
    manifest = await services.bucket.manifest(task_id)
    await services.bucket.delete([manifest.outcome.images[0].key])
    assert (await client.get(image["url"])).status_code == 410


async def test_a_link_to_an_image_that_never_was_is_410(client, services, image):
    task_id = image["url"].split("/files/")[1].split("/")[0]
    for url in (services.links.image(task_id, 7, "png", 2**40), services.links.image("0" * 32, 0, "png", 2**40)):
        assert (await client.get(url)).status_code == 410


@pytest.mark.parametrize("path", ["/files/x/0.png", "/files/" + "0" * 32 + "/0.gif", "/files/" + "0" * 32 + "/-1.png"])
async def test_a_malformed_link_is_422(client, path):
    assert (await client.get(path, params={"expires": 1, "signature": "x"})).status_code == 422
