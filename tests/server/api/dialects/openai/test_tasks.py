from typing import get_args

import pytest

import pipelines
from models.catalog.catalog import UnknownModelError
from server.api.dialects.openai.inputs import InputPicture, SentPictures
from server.api.dialects.openai.request import EditRequest, GenerationRequest, Quality, VariationRequest
from server.api.dialects.openai.tasks import STEPS, plan_edit, plan_generation, plan_variation
from server.tasks.submission import InvalidParamsError

PICTURE = InputPicture("file-" + "0" * 32, (100, 50), has_alpha=True)
MASK = InputPicture("file-" + "1" * 32, (100, 50), has_alpha=True)
UNKNOWN = InputPicture("https://example.com/a.png")
STYLES = """
styles:
  - {id: ink, model: anime, loras: {ink: 0.7}, prompt: "ink, {prompt}", negative_prompt: photo, params: {num_steps: 33}}
  - {id: natural, params: {guidance_scale: 4}}
"""


def generation(services, **fields):
    return plan_generation(GenerationRequest(prompt="a cat", **fields), services.catalog)


def edit(services, *pictures, mask=None, **fields):
    request = EditRequest(prompt="a cat", **fields)
    return plan_edit(request, SentPictures({}, pictures or (PICTURE,), mask), services.catalog)


@pytest.mark.parametrize("quality", get_args(Quality))
def test_quality_is_a_number_of_steps(services, quality):
    plan = generation(services, quality=quality)
    assert plan.params.get("num_steps") == STEPS.get(quality)
    assert (quality == "auto") is (quality not in STEPS)
    pipelines.find(plan.task_type).Params.model_validate(plan.params)


@pytest.mark.parametrize(
    ("size", "painted"),
    [
        ("256x256", (256, 256)),
        ("1024x1536", (1024, 1536)),
        ("1792X1024", (1792, 1024)),
        ("515×700", (512, 704)),
        ("66x64", (64, 64)),
        ("68x64", (72, 64)),
    ],
)
def test_any_size_is_painted_in_multiples_of_eight(services, size, painted):
    params = generation(services, size=size).params
    assert (params["w"], params["h"]) == painted
    pipelines.find("txt2img.sd").Params.model_validate(params)


def test_auto_leaves_the_size_to_the_model(services):
    assert not {"w", "h", "max_wh"} & generation(services, size="auto").params.keys()


@pytest.mark.parametrize(("model", "name"), [("", "toy"), ("gpt-image-1", "toy"), ("Anime", "anime-toy")])
def test_model_is_found_by_any_name(services, model, name):
    assert generation(services, model=model).params["model"] == name


def test_unknown_model_is_refused(services):
    with pytest.raises(UnknownModelError):
        generation(services, model="sdxl-turbo")


@pytest.mark.parametrize("more_models", [STYLES])
def test_style_of_the_operator_gives_model_loras_and_words(services):
    params = generation(services, style="ink", negative_prompt="blur", loras={"oil": 1}).params
    assert params == {
        "model": "anime-toy",
        "num_steps": 33,
        "text": "ink, a cat",
        "negative_prompt": "blur, photo",
        "lora_scales": {"ink": 0.7, "oil": 1},
    }
    assert generation(services, style="ink", model="toy", quality="low").params["model"] == "toy"
    assert generation(services, style="ink", quality="low").params["num_steps"] == 12
    assert generation(services, style="ink", quality="low", num_steps=5).params["num_steps"] == 5
    assert generation(services, style="natural").params["guidance_scale"] == 4


@pytest.mark.parametrize("style", ["vivid", "natural"])
def test_styles_of_dall_e_have_no_effect(services, style):
    assert generation(services, style=style) == generation(services)


def test_transparent_background_cuts_out_each_image(services):
    tasks = generation(services, background="transparent", seed=5).tasks(3, apart=False)
    assert [task_type for task_type, _ in tasks] == ["workflow"] * 3
    nodes = [params["nodes"] for _, params in tasks]
    assert [(paint["data"]["seed"], cut["endpoint"]) for paint, cut in nodes] == [
        (5, "img2img.sod"),
        (6, "img2img.sod"),
        (7, "img2img.sod"),
    ]
    assert all(params["use_audit"] for _, params in tasks)
    pipelines.find("workflow").Params.model_validate(tasks[0][1])


@pytest.mark.parametrize(("fidelity", "free", "masked"), [("low", 0.2, 0.0), ("high", 0.5, 0.3)])
def test_input_fidelity_says_how_closely_the_picture_is_followed(services, fidelity, free, masked):
    assert edit(services, input_fidelity=fidelity).params["fidelity"] == free
    assert edit(services, mask=MASK, input_fidelity=fidelity).params["fidelity"] == masked
    assert edit(services, input_fidelity=fidelity, strength=0.1).params["fidelity"] == 0.9


@pytest.mark.parametrize("mask", [None, MASK])
def test_picture_and_mask_are_cropped_to_another_size(services, mask):
    plan = edit(services, mask=mask, size="1536x64")
    assert {name: plan.params[name] for name in ("wh", "resize_mode", "max_wh")} == {
        "wh": (1536, 64),
        "resize_mode": "cover",
        "max_wh": 1536,
    }
    pipelines.find(plan.task_type).Params.model_validate(plan.params)
    assert "wh" not in edit(services, mask=mask).params


def test_transparent_parts_are_painted_as_dall_e_2_does(services):
    plan = edit(services, model="dall-e-2")
    assert (plan.task_type, plan.params["url"]) == ("txt2img.sd.outpainting", PICTURE.reference)
    assert edit(services, model="gpt-image-1").task_type == "img2img.sd"
    assert edit(services, UNKNOWN, model="dall-e-2").task_type == "img2img.sd"
    assert edit(services, model="dall-e-2", size="auto").params["keep_original"] is True
    with pytest.raises(InvalidParamsError, match="size"):
        edit(services, model="dall-e-2", size="64x64")


@pytest.mark.parametrize(("background", "keeps"), [("auto", True), ("transparent", True), ("opaque", False)])
def test_opaque_background_flattens_the_picture(services, background, keeps):
    assert edit(services, background=background).params["keep_alpha"] is keeps


@pytest.mark.parametrize("more_models", ["", "  - {name: blip, path: toy.safetensors, family: captioner}\n"])
def test_variation_describes_the_picture_if_it_can(services):
    plan = plan_variation(VariationRequest(), SentPictures({}, [PICTURE], None), services.catalog)
    assert (plan.task_type, plan.params["text"], plan.params["fidelity"]) == ("img2img.sd", "", 0.5)
    pipelines.find("img2img.sd").Params.model_validate(plan.params)
