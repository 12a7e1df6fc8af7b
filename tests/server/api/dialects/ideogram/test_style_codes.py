import pytest

from server.storage.bucket_keys import style_key
from server.tenancy.auth import new_key

V3 = "/v1/ideogram-v3/"
ADAPTER = "\n  - {name: look, path: toy.safetensors, family: ip_adapter, for: sd1, encoder: toy.safetensors}\n"
ALICE, BOB = new_key("alice"), new_key("bob")
pytestmark = [
    pytest.mark.parametrize("more_models", [ADAPTER]),
    pytest.mark.parametrize("overrides", [{"api_keys": (ALICE[1], BOB[1])}]),
]


@pytest.fixture
def generate(client, painting):
    """Sends a request of Alice, and returns the answer."""

    async def sent(files=(), key=ALICE[0], **fields):
        parts = [("style_reference_images", file) for file in files]
        return await client.post(V3 + "generate", data={"prompt": "x"} | fields, files=parts, headers={"Api-Key": key})

    return sent


async def followed(services, tenant="alice"):
    """The files that the newest task follows."""
    params = (await services.queue.recent(tenant, None, 1, 1))[0][0].task.params["ip_adapter"]
    return [await services.uploads.get(tenant, id) for id in (params["url"], *params["more_urls"])]


async def test_code_of_an_answer_stands_for_the_picture(generate, services, draw):
    reply = await generate([draw(), draw(colour="red")])
    assert reply.status_code == 200, reply.text
    codes, pictures = reply.json()["style_codes"], await followed(services)
    assert [len(code) for code in codes] == [8, 8]
    reply = await generate(style_codes=[code.lower() for code in codes])
    assert (reply.status_code, "style_codes" in reply.json()) == (200, False)
    assert await followed(services) == pictures


@pytest.mark.parametrize("written", ["{},{}", '["{}", "{}"]', "{}, {}"])
async def test_codes_in_one_field(generate, services, draw, written):
    codes = (await generate([draw(), draw(colour="red")])).json()["style_codes"]
    assert (await generate(style_codes=written.format(*codes))).status_code == 200
    assert len(await followed(services)) == 2


async def test_code_of_another_tenant_is_unknown(generate, services, draw):
    [code] = (await generate([draw()])).json()["style_codes"]
    reply = await generate(style_codes=code, key=BOB[0])
    assert (reply.status_code, f"no style {code}" in reply.json()["error"]) == (400, True)
    assert not (await services.queue.recent("bob", None, 1, 1))[0]


async def test_each_use_keeps_the_picture_for_longer(generate, services, draw):
    [code] = (await generate([draw()])).json()["style_codes"]
    [(_, before)] = await services.bucket.keys("styles/alice")
    await generate(style_codes=code)
    [(key, after)] = await services.bucket.keys("styles/alice")
    assert key == style_key("alice", code)
    assert after > before


async def test_codes_and_pictures_exclude_each_other(generate, draw):
    reply = await generate([draw()], style_codes="01234567")
    assert (reply.status_code, "exclude each other" in reply.json()["error"]) == (400, True)


async def test_file_that_is_no_picture_is_refused(generate):
    reply = await generate([b"GIF89a"])
    assert (reply.status_code, "style_reference_images" in reply.json()["error"]) == (400, True)
