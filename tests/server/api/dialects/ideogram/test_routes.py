import asyncio
import json

import pytest

from server.api.dialects.ideogram.errors import IN_FLIGHT
from server.api.dialects.ideogram.request import STEPS
from server.api.dialects.ideogram.request_legacy import GenerateLegacyRequest
from server.api.dialects.ideogram.request_v3 import GenerateV3Request
from server.api.dialects.ideogram.sizes import LEGACY_RATIOS, LEGACY_RESOLUTIONS, RATIOS, RESOLUTIONS
from server.api.dialects.ideogram.styles import PALETTES, PRESETS, TYPES
from server.tenancy.auth import ANONYMOUS, new_key

V3 = "/ideogram/v1/ideogram-v3/generate"
ALICE, BOB = new_key("alice"), new_key("bob")
CURL = {"prompt": "Delicate 3D cover design", "rendering_speed": "QUALITY", "num_images": "2", "aspect_ratio": "2x1"}
LEGACY = {
    "prompt": "3D cartoon, An adorable white owl baby",
    "negative_prompt": "blurry, bad anatomy, watermark",
    "aspect_ratio": "ASPECT_3_2",
    "model": "V_2",
    "num_images": 2,
    "magic_prompt_option": "AUTO",
    "style_type": "RENDER_3D",
}


async def newest(services, tenant=ANONYMOUS):
    return (await services.queue.recent(tenant, None, 1, 10))[0][0].task


async def test_sample_of_the_document_with_curl(client, services, painting):
    parts = {name: (None, value) for name, value in CURL.items()}
    reply = await client.post(V3, files=parts, headers={"Api-Key": "sk-***"})
    assert reply.status_code == 200, reply.text
    first, second = reply.json()["data"]
    assert second["seed"] == first["seed"] + 1
    assert first["is_image_safe"] is True
    assert (await client.get(first["url"])).content.startswith(b"\x89PNG")
    params = (await newest(services)).params
    assert (params["w"], params["h"], params["num_steps"], params["num_samples"]) == (1408, 704, 40, 2)


@pytest.mark.parametrize("path", ["/generate", "/ideogram/generate"])
async def test_sample_of_the_document_for_older_models(client, services, painting, path):
    reply = await client.post(path, json={"image_request": LEGACY}, headers={"Api-Key": "sk-***"})
    assert reply.status_code == 200, reply.text
    task = await newest(services)
    assert task.dialect == "ideogram"
    assert (task.params["w"], task.params["h"]) == (1248, 832)
    assert task.params["text"].startswith(LEGACY["prompt"] + ", 3d render")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "prompt"),
        ({"prompt": "x", "num_images": 9}, "num_images"),
        ({"prompt": "x", "resolution": "1024x1024", "aspect_ratio": "1x1"}, "only one"),
        ({"prompt": "x", "resolution": "999x999"}, "resolution"),
        ({"prompt": "x", "style_type": "ANIME"}, "style_type"),
        ({"prompt": "x", "style_preset": "NONE"}, "style_preset"),
        ({"prompt": "x", "color_palette": {"name": "MUD"}}, "color_palette"),
        ({"prompt": "x", "color_palette": "{"}, "color_palette"),
        ({"prompt": "x", "color_palette": "\ud800"}, "color_palette"),
        ({"prompt": "x", "style_codes": "[\ud800"}, "style_codes"),
        ({"prompt": "x", "style_codes": ["AAAAAAAA"]}, "IP-Adapter"),
        ({"prompt": "x", "seed": -1}, "seed"),
    ],
)
async def test_wrong_argument_is_refused_with_400(client, fields, words):
    reply = await client.post(V3, content=json.dumps(fields), headers={"Content-Type": "application/json"})
    assert reply.status_code == 400
    assert words in reply.json()["error"]


@pytest.mark.parametrize("overrides", [{"api_keys": (ALICE[1], BOB[1])}])
async def test_tenants_are_apart(client, services, painting):
    assert (await client.post(V3, json=CURL, headers={"Api-Key": "wrong"})).status_code == 401
    assert (await client.post(V3, json=CURL, headers={"api-key": ALICE[0]})).status_code == 200
    assert (await newest(services, "alice")).tenant == "alice"
    assert not (await services.queue.recent("bob", None, 1, 10))[0]


async def test_eleventh_request_in_flight_is_refused(client, services, painter):
    waiting = [asyncio.create_task(client.post(V3, json={"prompt": "x"})) for _ in range(IN_FLIGHT)]
    while len((await services.queue.recent(ANONYMOUS, None, 1, 20))[0]) < IN_FLIGHT:
        await asyncio.sleep(0.005)
    reply = await client.post(V3, json={"prompt": "x"})
    assert reply.status_code == 429
    assert reply.json()["error"]
    for _ in waiting:
        await painter.finish(await painter.take())
    assert {reply.status_code for reply in await asyncio.gather(*waiting)} == {200}


async def test_withheld_image_has_no_link(client, painter):
    waiting = asyncio.create_task(client.post(V3, json={"prompt": "x"}))
    await painter.withhold(await painter.take())
    [image] = (await waiting).json()["data"]
    assert (image["url"], image["is_image_safe"]) == (None, False)


async def test_failed_task_is_an_error_in_json(client, painter):
    waiting = asyncio.create_task(client.post(V3, json={"prompt": "x"}))
    await painter.fail(await painter.take())
    reply = await waiting
    assert (reply.status_code, "smaller" in reply.json()["error"]) == (500, True)
    reply = await client.post("/ideogram/eidt", json={})
    assert (reply.status_code, list(reply.json())) == (404, ["error"])


def test_every_value_is_understood():
    assert (len(RATIOS), len(RESOLUTIONS), len(LEGACY_RATIOS), len(LEGACY_RESOLUTIONS)) == (15, 69, 11, 78)
    assert len(PRESETS) == 62
    for ratio, size in RATIOS.items():
        assert GenerateV3Request(prompt="x", aspect_ratio=ratio).size == size
    for name in RESOLUTIONS:
        assert "{}x{}".format(*GenerateV3Request(prompt="x", resolution=name).size) == name
    for ratio, size in LEGACY_RATIOS.items():
        assert GenerateLegacyRequest(prompt="x", aspect_ratio=f"ASPECT_{ratio}").size == size
    assert GenerateLegacyRequest(prompt="x", aspect_ratio="SPECT_16_10").size == (1024, 640)
    for name in LEGACY_RESOLUTIONS:
        size = GenerateLegacyRequest(prompt="x", resolution="RESOLUTION_" + name.replace("x", "_")).size
        assert "{}x{}".format(*size) == name
    for speed, steps in STEPS.items():
        assert GenerateV3Request(prompt="x", rendering_speed=speed).steps == steps
    for preset in PRESETS:
        assert GenerateV3Request(prompt="x", style_preset=preset).words.endswith(" style")
    for palette, words in PALETTES.items():
        assert GenerateV3Request(prompt="x", color_palette={"name": palette}).words == f"x, {words}"
    for style, words in TYPES.items():
        assert words in GenerateLegacyRequest(prompt="x", style_type=style).words
