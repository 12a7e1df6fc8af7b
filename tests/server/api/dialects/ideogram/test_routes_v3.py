"""The samples of the customer's document, with the host replaced."""

import asyncio

import pytest

from server.tenancy.auth import ANONYMOUS, new_key

PATHS = "/v1/ideogram-v3/", "/ideogram/v1/ideogram-v3/"
REMIX = {
    "prompt": "bird playing with a cat in the snow, pixel art style",
    "image_weight": "60",
    "rendering_speed": "QUALITY",
    "num_images": 1,
    "seed": 1,
    "aspect_ratio": "16x9",
    "magic_prompt": "AUTO",
    "style_type": "AUTO",
    "negative_prompt": "blurry, bad anatomy, watermark",
}
EDIT = {name: value for name, value in REMIX.items() if name != "image_weight"} | {
    "prompt": "remove text",
    "rendering_speed": "DEFAULT",
}
REPLACE = {
    name: REMIX[name] for name in ("prompt", "rendering_speed", "num_images", "seed", "magic_prompt", "style_type")
}
KEY = {"Api-Key": "sk-***"}
BOX = (8, 16, 40, 48)
ALICE, BOB = new_key("alice"), new_key("bob")


async def newest(services, tenant=ANONYMOUS):
    return (await services.queue.recent(tenant, None, 1, 10))[0][0].task


def paint_node(task):
    assert task.params["use_audit"] is True
    return next(node["data"] for node in task.params["nodes"] if node["key"] == "paint")


@pytest.mark.parametrize("prefix", PATHS)
async def test_sample_of_remix(client, services, painting, draw, prefix):
    reply = await client.post(prefix + "remix", headers=KEY, data=REMIX, files={"image": draw(kind="JPEG")})
    assert reply.status_code == 200, reply.text
    [image] = reply.json()["data"]
    assert (image["seed"], image["style_type"], image["prompt"]) == (1, "AUTO", REMIX["prompt"])
    task = await newest(services)
    assert (task.type, task.dialect) == ("img2img.sd", "ideogram")
    assert (task.params["fidelity"], task.params["wh"], task.params["num_steps"]) == (0.6, [1312, 736], 40)
    assert task.params["negative_prompt"] == REMIX["negative_prompt"]


@pytest.mark.parametrize("path", [prefix + name for prefix in PATHS for name in ("edit", "inpaint")])
async def test_sample_of_edit(client, services, painting, draw, path):
    """Its mask is a JPEG; its aspect_ratio has no meaning here."""
    files = {"image": draw(kind="JPEG"), "mask": draw(box=BOX, kind="JPEG")}
    reply = await client.post(path, headers=KEY, data=EDIT, files=files)
    assert reply.status_code == 200, reply.text
    task = await newest(services)
    assert (task.type, task.params["wh"], task.params["keep_original"]) == ("txt2img.sd.inpainting", [0, 0], True)


async def test_sample_of_replace_background(client, services, painting, draw):
    files = {"image": ("image.png", draw(), "application/octet-stream")}
    reply = await client.post(PATHS[1] + "replace-background", headers=KEY, data=REPLACE, files=files)
    assert reply.status_code == 200, reply.text
    [image] = reply.json()["data"]
    assert (image["seed"], image["prompt"]) == (1, REPLACE["prompt"])
    assert paint_node(await newest(services))["inpainting_mask_invert"] is True


async def test_reframe_needs_no_prompt(client, services, painting, draw):
    files = {"image": draw((64, 64))}
    reply = await client.post(PATHS[0] + "reframe", data={"resolution": "1024x640", "num_images": "3"}, files=files)
    assert (reply.status_code, "resolution" in reply.json()["error"]) == (400, True)
    reply = await client.post(PATHS[0] + "reframe", data={"resolution": "1408x704", "num_images": "3"}, files=files)
    assert reply.status_code == 200, reply.text
    node = paint_node(await newest(services))
    assert (node["left"], node["right"], node["num_samples"], node["text"]) == (352, 352, 3, "")


async def test_frame_of_the_same_shape_has_a_seed_too(client, painting, draw):
    reply = await client.post(PATHS[0] + "reframe", data={"resolution": "1024x1024"}, files={"image": draw((64, 64))})
    [image] = reply.json()["data"]
    assert (image["seed"], image["prompt"]) == (0, "")


@pytest.mark.parametrize("send", ["json", "data"])
async def test_transparent_images_are_enlarged(client, services, painting, send):
    fields = {"prompt": "a fox", "upscale_factor": "X2", "num_images": 2, "aspect_ratio": "1x3"}
    reply = await client.post(PATHS[0] + "generate-transparent", **{send: fields})
    assert reply.status_code == 200, reply.text
    image = reply.json()["data"][0]
    assert (image["resolution"], image["upscaled_resolution"]) == ("8x8", "16x16")
    nodes = {node["key"]: node for node in (await newest(services)).params["nodes"]}
    assert list(nodes) == ["paint", "enlarge_0", "cut_out_0", "enlarge_1", "cut_out_1"]
    assert (nodes["paint"]["data"]["w"], nodes["paint"]["data"]["h"]) == (512, 1536)


@pytest.mark.parametrize(
    ("route", "fields", "files", "words"),
    [
        ("remix", {"prompt": "x"}, {}, "image is missing"),
        ("remix", {"prompt": "x", "image_weight": "0"}, {"image": {}}, "image_weight"),
        ("remix", {"prompt": "x", "image_weight": "101"}, {"image": {}}, "image_weight"),
        ("remix", {"prompt": "x", "resolution": "1024x1024", "aspect_ratio": "1x1"}, {"image": {}}, "only one"),
        ("edit", {}, {"image": {}, "mask": {"box": BOX}}, "prompt"),
        ("edit", {"prompt": "x"}, {"image": {}}, "mask is missing"),
        ("edit", {"prompt": "x"}, {"image": {}, "mask": {"size": (64, 64), "box": BOX}}, "same size"),
        ("inpaint", {"prompt": "x"}, {"image": {}, "mask": {}}, "all white"),
        ("inpaint", {"prompt": "x"}, {"image": {}, "mask": {"colour": "grey"}}, "neither black nor white"),
        ("reframe", {}, {"image": {}}, "resolution"),
        ("replace-background", {}, {"image": {}}, "prompt"),
        ("generate-transparent", {"prompt": "x", "upscale_factor": "X3"}, {}, "upscale_factor"),
        ("generate-transparent", {"prompt": "x", "num_images": "9"}, {}, "num_images"),
        ("remix", {"prompt": "x"}, {"image": {}, "character_reference_images": {}}, "needs an IP-Adapter"),
        ("generate", {"prompt": "x", "character_reference_images": "http://x/a.png"}, {}, "files"),
        ("remix", {"prompt": "x", "custom_model_uri": "model/a/version/1"}, {"image": {}}, "custom_model_uri"),
        ("remix", {"prompt": "x"}, {"image": {}, "style_reference_images": {}}, "IP-Adapter"),
        ("generate", {"prompt": "x", "style_reference_images": "http://x/a.png"}, {}, "files"),
        ("generate", {"prompt": "x", "style_codes": "0123456", "num_images": "1"}, {}, "style_codes"),
        ("generate", {"prompt": "x", "style_codes": "01234567", "style_type": "AUTO"}, {}, "exclude each other"),
    ],
)
async def test_wrong_argument_is_refused_with_400(client, services, draw, route, fields, files, words):
    drawn = {name: draw(**look) for name, look in files.items()}
    reply = await client.post(PATHS[0] + route, data=fields, files=drawn or {"other": b""})
    assert (reply.status_code, words in reply.json()["error"]) == (400, True), reply.text
    assert not (await services.queue.recent(ANONYMOUS, None, 1, 10))[0]


async def test_file_that_is_no_picture_is_refused_with_400(client):
    reply = await client.post(PATHS[0] + "remix", data={"prompt": "x"}, files={"image": b"<html>"})
    assert (reply.status_code, reply.json()["error"].startswith("image: this is HTML")) == (400, True)


@pytest.mark.parametrize("overrides", [{"api_keys": (ALICE[1], BOB[1])}])
@pytest.mark.parametrize(
    ("path", "status"),
    [
        *((PATHS[0] + route, 401) for route in ("edit", "reframe", "replace-background", "generate-transparent")),
        (PATHS[0] + "remix", 403),
        (PATHS[1] + "remix", 401),
    ],
)
async def test_wrong_key_is_refused(client, overrides, path, status):
    reply = await client.post(path, data={"prompt": "x"}, headers=KEY)
    assert (reply.status_code, list(reply.json())) == (status, ["error"])


@pytest.mark.parametrize(
    ("path", "name"),
    [(PATHS[0] + "generate", "color_palette"), (PATHS[0] + "generate", "style_codes"), ("/generate", "image_request")],
)
async def test_json_that_is_too_deep_is_refused(client, path, name):
    reply = await client.post(path, data={"prompt": "x", name: "[" * 100_000})
    assert (reply.status_code, name in reply.json()["error"]) == (400, True)


async def test_withheld_image_has_no_link(client, painter, draw):
    sent = client.post(PATHS[0] + "replace-background", data=REPLACE, files={"image": draw()})
    waiting = asyncio.create_task(sent)
    await painter.withhold(await painter.take())
    [image] = (await waiting).json()["data"]
    assert (image["url"], image["is_image_safe"]) == (None, False)
