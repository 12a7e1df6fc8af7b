"""The samples of the customer's document for the older models, with the host replaced."""

import json

import pytest

from server.tenancy.auth import ANONYMOUS, new_key

KEY = {"Api-Key": "sk-***"}
PATHS = "/", "/ideogram/"
REMIX = """{
"prompt": "watercolor",
"aspect_ratio": "ASPECT_10_16",
"image_weight": 50,
"magic_prompt_option": "ON",
"model": "V_2"
}"""
EDIT = {"prompt": ' "prompt" ', "model": "V_2", "magic_prompt_option": "AUTO", "num_images": 1, "style_type": "ANIME"}
REFRAME = {"resolution": "RESOLUTION_1408_704", "model": "V_2_TURBO", "num_images": "2", "seed": "7"}
BOX = (8, 16, 40, 48)
ALICE = new_key("alice")


async def newest(services):
    return (await services.queue.recent(ANONYMOUS, None, 1, 10))[0][0].task


def nodes_of(task):
    assert task.params["use_audit"] is True
    return {node["key"]: node for node in task.params["nodes"]}


@pytest.mark.parametrize("prefix", PATHS)
async def test_sample_of_remix(client, services, painting, draw, prefix):
    files = {"image_file": ("<file1>", draw(kind="WEBP"))}
    reply = await client.post(prefix + "remix", data={"image_request": REMIX}, files=files, headers=KEY)
    assert reply.status_code == 200, reply.text
    [image] = reply.json()["data"]
    assert (image["prompt"], image["is_image_safe"], image["style_type"]) == ("watercolor", True, "AUTO")
    assert (await client.get(image["url"])).content.startswith(b"\x89PNG")
    task = await newest(services)
    assert (task.type, task.dialect) == ("img2img.sd", "ideogram")
    assert (task.params["wh"], task.params["resize_mode"], task.params["fidelity"]) == ([640, 1024], "cover", 0.5)
    assert task.params["num_steps"] == 20


async def test_official_form_has_a_json_part(client, services, painting, draw):
    request = {"prompt": "x", "model": "V_2_TURBO", "image_weight": 100, "resolution": "RESOLUTION_720_1280", "seed": 3}
    files = {
        "image_request": (None, json.dumps(request), "application/json"),
        "image_file": ("blob", draw(), "application/octet-stream"),
    }
    reply = await client.post("/remix", files=files, headers=KEY)
    assert (reply.status_code, reply.json()["data"][0]["seed"]) == (200, 3)
    params = (await newest(services)).params
    assert (params["wh"], params["num_steps"], params["fidelity"]) == ([720, 1280], 12, 0.95)


@pytest.mark.parametrize("prefix", PATHS)
async def test_sample_of_edit(client, services, painting, draw, prefix):
    files = {"image_file": draw(kind="JPEG"), "mask": draw(box=BOX, mode="L")}
    reply = await client.post(prefix + "edit", data=EDIT, files=files, headers=KEY)
    assert reply.status_code == 200, reply.text
    task = await newest(services)
    assert (task.type, task.params["text"]) == (
        "txt2img.sd.inpainting",
        ' "prompt" , anime style, clean lines, flat shading',
    )


async def test_sample_of_edit_as_it_stands_has_a_wrong_address_and_no_mask(client, draw):
    data = {"prompt": ' "prompt" ', "model": "V_2", "num_images": 1, "mask": "open('<file1>', 'rb')"}
    files = {"image_file": draw()}
    reply = await client.post("/ideogram/eidt", data=data, files=files, headers=KEY)
    assert (reply.status_code, type(reply.json()["error"])) == (404, str)
    reply = await client.post("/ideogram/edit", data=data, files=files, headers=KEY)
    assert (reply.status_code, "mask" in reply.json()["error"]) == (400, True)
    reply = await client.post("/edit", data=data, files=files | {"mask": b"open('<file1>', 'rb')"}, headers=KEY)
    assert (reply.status_code, "mask" in reply.json()["error"]) == (400, True)


@pytest.mark.parametrize("prefix", PATHS)
async def test_reframe_paints_what_is_around_the_picture(client, services, painting, draw, prefix):
    reply = await client.post(prefix + "reframe", data=REFRAME, files={"image_file": draw((64, 64))}, headers=KEY)
    assert reply.status_code == 200, reply.text
    node = nodes_of(await newest(services))["paint"]
    assert node["endpoint"] == "txt2img.sd.outpainting"
    assert [node["data"][side] for side in ("left", "right", "top", "bottom")] == [352, 352, 0, 0]
    assert (node["data"]["num_samples"], node["data"]["seed"], node["data"]["num_steps"]) == (2, 7, 12)


async def test_picture_of_the_same_shape_is_resized_and_answers_for_all_images(client, services, painting, draw):
    files = {"image_file": draw((64, 64))}
    data = REFRAME | {"resolution": "RESOLUTION_1024_1024", "num_images": "3"}
    reply = await client.post("/reframe", data=data, files=files, headers=KEY)
    assert (await newest(services)).type == "cv.resize"
    images = reply.json()["data"]
    assert [image["seed"] for image in images] == [7, 8, 9]
    assert len({image["url"] for image in images}) == 1


@pytest.mark.parametrize("overrides", [{"api_keys": (ALICE[1],)}])
@pytest.mark.parametrize(("prefix", "status"), [("/", 403), ("/ideogram/", 401)])
@pytest.mark.parametrize("route", ["remix", "upscale"])
async def test_unknown_key_is_refused_as_each_document_says(client, prefix, status, route):
    reply = await client.post(prefix + route, headers={"Api-Key": "wrong"})
    assert (reply.status_code, list(reply.json())) == (status, ["error"])


WRONG = [
    ("remix", {}, "image_request"),
    ("remix", {"image_request": "{"}, "JSON"),
    ("remix", {"image_request": "[]"}, "image_request"),
    ("remix", {"image_request": '{"prompt": "\\ud800"}'}, "prompt"),
    ("remix", {"image_request": '{"aspect_ratio": "ASPECT_1_1"}'}, "prompt"),
    ("remix", {"image_request": '{"prompt": "x", "image_weight": 0}'}, "image_weight"),
    ("remix", {"image_request": '{"prompt": "x", "image_weight": 101}'}, "image_weight"),
    ("remix", {"image_request": '{"prompt": "x", "num_images": 9}'}, "num_images"),
    ("remix", {"image_request": '{"prompt": "x", "model": "V_1", "style_type": "ANIME"}'}, "style_type"),
    ("remix", {"image_request": '{"prompt": "x", "model": "V_4"}'}, "model"),
    ("edit", {"model": "V_2"}, "prompt"),
    ("edit", {"prompt": "x"}, "model"),
    ("edit", {"prompt": "x", "model": "V_1"}, "V_2"),
    ("edit", {"prompt": "x", "model": "V_2"}, "mask"),
    ("reframe", {"model": "V_2"}, "resolution"),
    ("reframe", {"resolution": "RESOLUTION_1024_1024"}, "model"),
    ("reframe", {"resolution": "RESOLUTION_1024_1024", "model": "V_3"}, "resolution is not for model V_3"),
    ("reframe", {"resolution": "1024x1023", "model": "V_2"}, "resolution"),
    ("upscale", {}, "image_request"),
    ("upscale", {"image_request": '{"resemblance": 0}'}, "resemblance"),
    ("upscale", {"image_request": '{"detail": 101}'}, "detail"),
]


@pytest.mark.parametrize(("route", "data", "words"), WRONG)
async def test_wrong_argument_is_refused_with_400(client, draw, route, data, words):
    reply = await client.post(f"/{route}", data=data, files={"image_file": draw()}, headers=KEY)
    assert (reply.status_code, words in reply.json()["error"]) == (400, True), reply.text


@pytest.mark.parametrize(
    ("route", "data"),
    [
        ("remix", {"image_request": REMIX}),
        ("edit", {"prompt": "x", "model": "V_2"}),
        ("reframe", REFRAME),
        ("upscale", {"image_request": "{}"}),
    ],
)
async def test_picture_is_needed(client, route, data):
    for files in ({"other": b"x"}, {"image_file": b"no picture"}):
        reply = await client.post(f"/{route}", data=data, files=files, headers=KEY)
        assert (reply.status_code, "image_file" in reply.json()["error"]) == (400, True), reply.text
