import base64

import pytest


@pytest.fixture
def picture(png) -> str:
    return base64.b64encode(png).decode()


def nodes_of(task) -> dict[str, dict[str, object]]:
    assert task.type == "workflow"
    assert task.params["use_audit"] is True
    return {node["key"]: node for node in task.params["nodes"]}


def injected(node: dict[str, object]) -> list[tuple[str, int, str]]:
    return [(key, each["index"], each["field"]) for key, found in node["injections"].items() for each in found]


async def test_black_of_the_mask_is_repainted(task, picture):
    nodes = nodes_of(drawn := await task(img=picture, maskImg=picture, denoisingStrength="0.6"))
    assert (list(nodes), drawn.params["target"], drawn.params["intermediate"]) == (["mask", "paint"], "paint", None)
    assert (nodes["mask"]["endpoint"], nodes["mask"]["data"]["bg"]) == ("cv.fill_bg", 255)
    assert (nodes["paint"]["endpoint"], injected(nodes["paint"])) == (
        "txt2img.sd.inpainting",
        [("mask", 0, "mask_url")],
    )
    data = nodes["paint"]["data"]
    assert (data["inpainting_mask_invert"], data["keep_original"], data["fidelity"]) == (True, True, 0.4)
    assert nodes_of(await task(img=picture, maskImg=picture))["paint"]["data"]["fidelity"] == 0


async def test_mask_with_controlnet(task, picture):
    nodes = nodes_of(await task(img=picture, maskImg=picture, controlnet={"units": [{"type": "canny"}]}))
    assert (nodes["paint"]["endpoint"], nodes["paint"]["data"]["use_inpainting"]) == ("control_new.multi", True)
    assert injected(nodes["paint"]) == [("mask", 0, "mask_url")]


@pytest.mark.parametrize(
    ("options", "fidelity"),
    [
        ({}, 0.25),
        ({"redrawBackgroundFromOrigin": False}, 0),
        ({"removeBackground": True}, 0),
        ({"mainObjectType": "General"}, 0.25),
    ],
)
async def test_background_is_redrawn(task, picture, options, fidelity):
    nodes = nodes_of(await task(img=picture, imgOptions={"redrawBackground": True} | options))
    assert [(key, node["endpoint"]) for key, node in nodes.items()] == [
        ("mask", "img2img.sod"),
        ("paint", "txt2img.sd.inpainting"),
    ]
    assert nodes["mask"]["data"] == {"url": nodes["paint"]["data"]["url"], "output": "alpha"}
    assert nodes["paint"]["data"]["fidelity"] == fidelity
    assert nodes["paint"]["data"]["inpainting_mask_invert"] is True


async def test_background_is_redrawn_in_the_picture_of_the_options(task, picture):
    nodes = nodes_of(await task(imgOptions={"redrawBackground": True, "img": picture}, denoisingStrength=0.5))
    assert nodes["paint"]["data"]["fidelity"] == 0.5


async def test_background_of_each_result_is_removed(task):
    drawn = await task(imgOptions={"removeBackground": True}, batchSize=3, width=128)
    nodes = nodes_of(drawn)
    assert list(nodes) == ["paint", "cut_out_0", "cut_out_1", "cut_out_2"]
    assert [injected(nodes[f"cut_out_{index}"]) for index in range(3)] == [
        [("paint", index, "url")] for index in range(3)
    ]
    assert (drawn.params["target"], drawn.params["intermediate"]) == ("cut_out_0", ["cut_out_1", "cut_out_2"])


async def test_result_is_enlarged_and_then_cut_out(task):
    drawn = await task(width=128, height=64, hrScale=1.5, upscale="2.5", imgOptions={"removeBackground": True})
    nodes = nodes_of(drawn)
    assert list(nodes) == ["paint", "enlarge_0", "cut_out_0"]
    assert nodes["enlarge_0"]["data"]["target_w"] == 480
    assert nodes["enlarge_0"]["data"]["target_h"] == 240
    assert injected(nodes["cut_out_0"]) == [("enlarge_0", 0, "url")]


async def test_picture_that_keeps_its_size_is_enlarged_by_a_whole_number(task, picture):
    nodes = nodes_of(await task(img=picture, upscale=2))
    assert nodes["enlarge_0"]["data"]["scale"] == 2


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"img": "no picture"}, "img"),
        ({"img": "no picture", "upscale": 2}, "img"),
        ({"img": "no picture", "imgOptions": {"redrawBackground": True}}, "img"),
        ({"maskImg": "no picture"}, "maskImg"),
        (
            {"controlnet": {"units": [{"type": "depth"}, {"type": "canny", "image": "no picture"}]}},
            "controlnet.units.1.image",
        ),
    ],
)
async def test_wrong_picture_is_named_as_in_the_request(draw, picture, fields, name):
    refused = await draw(**{"img": picture} | fields)
    assert (refused["code"], refused["msg"].partition(":")[0]) == (400, name)


@pytest.mark.parametrize("styles", ["  - {name: face, path: toy.safetensors, family: face}\n"])
async def test_faces_are_repaired_before_the_image_is_enlarged(task):
    nodes = nodes_of(await task(faceFix=True, upscale=2, width=512, height=512))
    assert [(key, node["endpoint"]) for key, node in nodes.items()] == [
        ("paint", "txt2img.sd"),
        ("faces_0", "img2img.face_fix"),
        ("enlarge_0", "img2img.sr"),
    ]
    assert injected(nodes["faces_0"]) == [("paint", 0, "url")]
    assert injected(nodes["enlarge_0"]) == [("faces_0", 0, "url")]
