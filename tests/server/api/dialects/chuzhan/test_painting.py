import base64

import pytest

DETAILS = "  - {name: tweaker, path: toy.safetensors, family: lora, for: sd1, aliases: [details]}\n"
UNIT = {"type": "canny"}


@pytest.fixture
def picture(png) -> str:
    return base64.b64encode(png).decode()


def chosen(params: dict[str, object], *names: str) -> dict[str, object]:
    return {name: params[name] for name in names}


async def test_text_to_image(task):
    drawn = await task(
        modelStyleId="2",
        negativePrompt="blur",
        width=768,
        height="640",
        steps="30",
        cfgScale="6.5",
        seed=9,
        batchSize=3,
        tiling=True,
    )
    assert (drawn.type, drawn.output.format, drawn.params["text"]) == ("txt2img.sd", "png", "one boy")
    assert drawn.params["negative_prompt"].startswith("blur")
    names = ("model", "w", "h", "num_steps", "guidance_scale", "seed", "num_samples", "use_circular", "highres_info")
    assert chosen(drawn.params, *names) == {
        "model": "toy",
        "w": 768,
        "h": 640,
        "num_steps": 30,
        "guidance_scale": 6.5,
        "seed": 9,
        "num_samples": 3,
        "use_circular": True,
        "highres_info": None,
    }


async def test_style_of_the_operators_table(task):
    params = (await task(negativePrompt="blur")).params
    assert (params["text"], params["model"]) == ("one boy, flat colours", "anime-toy")
    assert params["negative_prompt"].startswith("blur, photo")
    assert chosen(params, "w", "h", "num_steps", "guidance_scale", "sampler", "lora_scales") == {
        "w": 512,
        "h": 512,
        "num_steps": 30,
        "guidance_scale": 5,
        "sampler": "euler_a",
        "lora_scales": {"ink": 0.5},
    }
    params = (await task(steps=4, cfgScale=3)).params
    assert (params["num_steps"], params["guidance_scale"]) == (4, 3)


async def test_style_that_is_not_listed_is_refused(draw):
    reply = await draw(modelStyleId=7)
    assert (reply["code"], reply["success"]) == (400, False)
    assert reply["msg"] == "there is no style '7'; there are: 1 二次元, 2 多彩厚涂"


@pytest.mark.parametrize("styles", [""])
async def test_without_a_table_each_style_is_the_default_model(task):
    assert (await task(modelStyleId=919)).params["model"] == "toy"


async def test_seed_below_zero_is_random(task):
    seeds = {(await task(seed=-7)).params["seed"], (await task()).params["seed"]}
    assert len(seeds) == 2
    assert min(seeds) >= 0


async def test_second_pass(task):
    params = (await task(width=600, height=1000, hrScale="2", hrSteps="12", denoisingStrength=0.4)).params
    highres = params["highres_info"]
    assert chosen(highres, "upscale_factor", "num_steps", "fidelity", "max_wh") == {
        "upscale_factor": 2,
        "num_steps": 12,
        "fidelity": 0.6,
        "max_wh": 2048,
    }
    assert (await task(hrScale=2)).params["highres_info"]["fidelity"] == 0.3
    few = (await task(hrScale=2, hrSteps=50, denoisingStrength=0)).params["highres_info"]
    assert (few["num_steps"], few["fidelity"]) == (20, 0.98)


async def test_picture_to_image(task, picture):
    drawn = await task(img=picture, width=128, height=64, hrScale=2)
    assert drawn.type == "img2img.sd"
    assert (drawn.params["fidelity"], drawn.params["wh"], drawn.params["resize_mode"]) == (0.45, [128, 64], "cover")
    assert (await task(img=picture)).params["wh"] == [0, 0]
    for strength, fidelity in ((0, 1), (1, 0), (0.25, 0.75)):
        assert (await task(img=picture, denoisingStrength=strength)).params["fidelity"] == fidelity


CAPTIONER = "  - {name: captioner, path: blip, family: captioner}\n"


@pytest.fixture
def settings(settings):
    folder = settings.models_path / "blip"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes(b"{}")
    return settings


@pytest.mark.parametrize("styles", [CAPTIONER])
async def test_picture_is_described(task, picture):
    drawn = await task(img=picture, imgOptions={"promptDetect": True})
    assert chosen(drawn.params, "auto_prompt", "auto_gender") == {"auto_prompt": True, "auto_gender": False}
    drawn = await task(img=picture, imgOptions={"genderDetect": True})
    assert chosen(drawn.params, "auto_prompt", "auto_gender") == {"auto_prompt": False, "auto_gender": True}


@pytest.mark.parametrize("styles", [CAPTIONER])
@pytest.mark.parametrize("option", ["promptDetect", "genderDetect"])
async def test_description_needs_a_picture(draw, option):
    assert f"imgOptions.{option} needs img" in (await draw(imgOptions={option: True}))["msg"]


async def test_options_without_their_model_are_left_out_and_cost_nothing(draw, task, picture):
    fields = {"img": picture, "imgOptions": {"promptDetect": True, "genderDetect": True}, "detailsLevel": 9}
    fields |= {"faceFix": True}
    reply, plain = await draw(**fields), await draw(img=picture)
    assert reply["msg"].endswith(
        "model for it: imgOptions.promptDetect, imgOptions.genderDetect, faceFix, detailsLevel"
    )
    assert reply["data"]["used"] == plain["data"]["used"]
    assert (await draw(**fields, predictConsume=True))["msg"] == reply["msg"]
    assert (await task(**fields)).params["lora_scales"] == {"ink": 0.5}  # that of the style


@pytest.mark.parametrize("styles", ["  - {name: matting-human, path: toy.onnx, family: matting}\n"])
@pytest.mark.parametrize(("kind", "model"), [("Human", "matting-human"), ("General", "matting")])
async def test_people_are_cut_out_by_their_own_model(task, picture, kind, model):
    for option in ("removeBackground", "redrawBackground"):
        drawn = await task(img=picture, imgOptions={option: True, "mainObjectType": kind})
        assert model in drawn.models


async def test_controlnet(task, picture):
    units = [UNIT, {"type": "lineart", "weight": 0.5}, {"type": "depth"}]
    drawn = await task(controlnet={"image": picture, "units": units}, width=128, height=64)
    assert drawn.type == "control_new.multi"
    assert [control["type"] for control in drawn.params["controls"]] == ["canny", "lineart", "depth"]
    assert (drawn.params["url"], drawn.params["wh"], drawn.params["use_audit"]) == (None, [128, 64], True)
    drawn = await task(img=picture, controlnet={"units": [UNIT]}, denoisingStrength=0.75)
    assert (drawn.params["fidelity"], drawn.params["wh"]) == (0.25, [0, 0])
    assert drawn.params["url"] == drawn.params["controls"][0]["data"]["hint_url"]


@pytest.mark.parametrize("styles", [DETAILS])
async def test_details_level_is_the_scale_of_a_lora(task):
    for level, scale in ((1, -1), (4, -0.25), (9, 1)):
        assert (await task(detailsLevel=level)).params["lora_scales"] == {"tweaker": scale}
    assert (await task(detailsLevel=5)).params["lora_scales"] is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"imgOptions": {"facePreservation": True}}, "imgOptions.facePreservation needs a picture"),
        ({"imgOptions": {"redrawBackground": True}}, "imgOptions.redrawBackground needs a picture"),
        ({"maskImg": "x"}, "img is missing"),
        ({"img": "x", "maskImg": "x", "imgOptions": {"redrawBackground": True}}, "exclude each other"),
        ({"hrScale": 2, "controlnet": {"image": "x", "units": [UNIT]}}, "hrScale is not offered together"),
        ({"img": "x", "upscale": 1.5}, "add width and height"),
    ],
)
async def test_what_cannot_be_meant_is_refused_by_name(draw, fields, message):
    reply = await draw(**fields)
    assert (reply["code"], reply["success"]) == (400, False)
    assert message in reply["msg"]


FACES = """
  - {name: face, path: toy.safetensors, family: face}
  - {name: plus, path: toy.safetensors, family: ip_adapter, for: sd1, encoder: toy.safetensors}
  - {name: plus-face, path: toy.safetensors, family: ip_adapter, for: sd1, encoder: toy.safetensors}
"""


@pytest.mark.parametrize("styles", [FACES])
async def test_faces_of_the_picture_are_a_prompt(task, picture):
    drawn = await task(imgOptions={"facePreservation": True, "facePreservationCount": 3, "img": picture})
    assert drawn.type == "txt2img.sd"
    found = chosen(drawn.params["ip_adapter"], "model", "faces", "scale")
    assert found == {"model": "plus-face", "faces": 3, "scale": 0.7}
    drawn = await task(img=picture, imgOptions={"facePreservation": True})
    assert (drawn.params["ip_adapter"]["faces"], drawn.type) == (1, "img2img.sd")


async def test_faces_cannot_be_kept_without_their_models(draw, picture):
    reply = await draw(img=picture, imgOptions={"facePreservation": True})
    assert (reply["code"], "imgOptions.facePreservation" in reply["msg"]) == (400, True)


async def test_options_that_are_off_are_accepted(task):
    off = {
        "removeBackground": False,
        "redrawBackground": "false",
        "redrawBackgroundFromOrigin": True,
        "mainObjectType": "General",
        "genderDetect": False,
        "promptDetect": False,
        "facePreservation": False,
        "facePreservationCount": "5",
    }
    assert (await task(imgOptions=off, faceFix="false", detailsLevel="5")).type == "txt2img.sd"
