"""What a request for txt2img becomes."""

from __future__ import annotations

from typing import Any

import pytest

import pipelines
from server.api.dialects.a1111.painting import Painting
from server.api.dialects.a1111.request import Txt2ImgRequest
from server.api.dialects.a1111.txt2img import plan_txt2img
from server.services import Services
from server.tasks.submission import InvalidParamsError

STYLES = """
styles:
  - {id: ink, title: Ink, prompt: "{prompt}, ink drawing", negative_prompt: photo, loras: {ink: 0.5}}
"""


def planned(services: Services, **fields: Any) -> Painting:
    request = Txt2ImgRequest.model_validate({"prompt": "a house", "seed": 7, **fields})
    painting = plan_txt2img(request, request.override_settings, services.catalog)
    pipelines.find(painting.task_type).Params.model_validate(painting.tasks(1)[0])
    return painting


VAES = "\n  - {name: kl-f8, path: toy.safetensors, family: vae}\n"


@pytest.mark.parametrize("more_models", [VAES])
@pytest.mark.parametrize(
    ("name", "vae"), [("kl-f8.safetensors", "kl-f8"), ("Automatic", None), ("None", None), ("", None)]
)
async def test_vae_is_an_option(services: Services, name: str, vae: str | None) -> None:
    assert planned(services, override_settings={"sd_vae": name}).params.get("vae") == vae


async def test_fields_of_a_plain_request(services: Services) -> None:
    painting = planned(
        services,
        negative_prompt="fog",
        width=516,
        height=770,
        steps=12,
        cfg_scale=5,
        sampler_name="DPM++ 2M",
        scheduler="karras",
        tiling=True,
        seed_resize_from_w=256,
        seed_resize_from_h=512,
        override_settings={"CLIP_stop_at_last_layers": 2, "sd_model_checkpoint": "anime-toy.safetensors [0123456789]"},
    )
    assert painting.task_type == "txt2img.sd"
    assert painting.params == {
        "text": "a house",
        "negative_prompt": "fog",
        "model": "anime-toy",
        "w": 512,
        "h": 768,
        "max_wh": 768,
        "num_steps": 12,
        "guidance_scale": 5,
        "sampler": "dpmpp_2m",
        "sigmas": "karras",
        "use_circular": True,
        "clip_skip": 1,
        "seed": 7,
        "seed_resize_w": 256,
        "seed_resize_h": 512,
    }


async def test_off_values_that_clients_always_send(services: Services) -> None:
    nulls = dict.fromkeys(("script_name", "hr_checkpoint_name", "hr_sampler_name", "hr_scheduler", "eta"))
    off = {"hr_upscaler": "Latent", "enable_hr": False, "denoising_strength": 0.7, "seed_resize_from_w": -1}
    unknown = {
        "s_noise": 1.0,
        "s_min_uncond": 0,
        "firstpass_image": None,
        "initial_noise_multiplier": 1,
        "use_deprecated_controlnet": False,
        "inpainting_fill": 0,
        "firstphase_width": 0,
    }
    painting = planned(services, **nulls, **off, **unknown)
    assert "highres_info" not in painting.params
    assert "seed_resize_w" not in painting.params


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"hr_scale": 1.5}, {"w": 768, "h": 768, "upscale_method": "bilinear"}),
        ({"hr_resize_x": 1024}, {"w": 1024, "h": 1024}),
        ({"hr_resize_x": 1000, "hr_resize_y": 640}, {"w": 1000, "h": 640}),
        ({"hr_upscaler": "Latent (nearest-exact)"}, {"upscale_method": "nearest-exact"}),
        ({"hr_upscaler": "Lanczos"}, {"upscale_method": "lanczos"}),
        ({"hr_upscaler": "some-net"}, {"upscaler": "some-net"}),
        ({"hr_second_pass_steps": 8}, {"num_steps": 8}),
        ({"hr_sampler_name": "Heun"}, {"sampler": "heun"}),
        ({"hr_scheduler": "SGM Uniform"}, {"sampler": "euler", "timestep_spacing": "trailing"}),
        ({"hr_prompt": "b", "hr_negative_prompt": "c"}, {"text": "b", "negative_prompt": "c"}),
        ({"denoising_strength": 0.4}, {"fidelity": 0.6}),
    ],
)
async def test_second_pass(services: Services, fields: dict[str, Any], expected: dict[str, Any]) -> None:
    second = planned(services, enable_hr=True, **fields).params["highres_info"]
    assert {name: second[name] for name in expected} == expected


async def test_first_pass_of_older_clients(services: Services) -> None:
    painting = planned(services, enable_hr=True, width=1024, height=768, firstphase_width=512, firstphase_height=384)
    assert (painting.params["w"], painting.params["h"]) == (512, 384)
    assert (painting.params["highres_info"]["w"], painting.params["highres_info"]["h"]) == (1024, 768)


async def test_seeds_count_up_through_batches(services: Services) -> None:
    tasks = planned(services, batch_size=4, n_iter=5).tasks(20)
    assert [(task["seed"], task["num_samples"]) for task in tasks] == [(7, 8), (15, 8), (23, 4)]


async def test_with_a_variation_the_seed_stays(services: Services) -> None:
    tasks = planned(services, subseed=3, subseed_strength=0.4).tasks(2)
    assert [(task["seed"], task["variation_seed"], task["num_samples"]) for task in tasks] == [(7, 3, 1), (7, 4, 1)]


async def test_random_seeds_are_drawn_once(services: Services) -> None:
    first, second = planned(services, seed=-1).tasks(9)
    assert second["seed"] == (first["seed"] + 8) % 2**32


@pytest.mark.parametrize("more_models", [STYLES])
async def test_styles_are_those_of_the_operator(services: Services) -> None:
    params = planned(services, styles=["Ink"], negative_prompt="fog").params
    assert (params["text"], params["negative_prompt"]) == ("a house, ink drawing", "fog, photo")
    assert params["lora_scales"] == {"ink": 0.5}
    with pytest.raises(InvalidParamsError, match="there are: ink, Ink"):
        planned(services, styles=["Oil"])


async def test_units_make_a_task_that_follows_maps(services: Services) -> None:
    unit = {"module": "canny", "model": "canny", "image": "aGk=", "save_detected_map": False}
    painting = planned(services, alwayson_scripts={"ControlNet": {"args": [unit]}})
    assert painting.task_type == "control_new.multi"
    assert painting.params["wh"] == (512, 512)
    assert painting.params["controls"][0]["data"]["hint_resize_mode"] == "cover"
    assert not painting.shows_maps


async def test_units_may_have_a_second_pass(services: Services) -> None:
    unit = {"module": "canny", "model": "canny", "image": "aGk=", "hr_option": "Low res only"}
    units = {"ControlNet": {"args": [unit]}}
    painting = planned(services, alwayson_scripts=units, enable_hr=True, hr_scale=1.5, width=512, height=384)
    assert (painting.task_type, painting.params["wh"]) == ("control_new.multi", (512, 384))
    assert (painting.params["highres_info"]["w"], painting.params["highres_info"]["h"]) == (768, 576)
    assert painting.params["controls"][0]["data"]["only_pass"] == "first"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"s_churn": 1}, "s_churn"),
        ({"refiner_checkpoint": "toy"}, "refiner_checkpoint"),
        ({"script_name": "X/Y/Z plot"}, "script_name"),
        ({"s_min_uncond": 0.5}, "s_min_uncond"),
        ({"disable_extra_networks": True}, "disable_extra_networks"),
        ({"firstpass_image": "aGk="}, "firstpass_image"),
        ({"alwayson_scripts": {"Refiner": {"args": [True, "toy", 0.8]}}}, "alwayson_scripts.Refiner"),
        ({"enable_hr": True, "hr_scheduler": "KL Optimal"}, "hr_scheduler"),
        ({"enable_hr": True, "hr_checkpoint_name": "missing"}, "hr_checkpoint_name"),
        ({"override_settings": {"sd_model_checkpoint": "nobody"}}, "sd_model_checkpoint"),
    ],
)
async def test_what_cannot_be_meant_is_refused_by_name(services: Services, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParamsError) as refused:
        planned(services, **fields)
    assert refused.value.field == field


@pytest.mark.parametrize(("name", "model"), [("anime-toy", "anime-toy"), ("Use same checkpoint", None), ("None", None)])
async def test_second_pass_may_have_its_own_checkpoint(services: Services, name: str, model: str | None) -> None:
    painting = planned(services, enable_hr=True, hr_scale=1.5, hr_checkpoint_name=name)
    assert painting.params["highres_info"].get("model") == model


async def test_firstpass_image_takes_the_place_of_the_first_pass(services: Services) -> None:
    fields = {"enable_hr": True, "hr_scale": 2, "firstpass_image": "aGk=", "width": 64, "height": 64}
    assert planned(services, **fields).params["highres_info"]["first_url"] == "aGk="
    unit = {"module": "canny", "model": "canny", "image": "aGk="}
    guided = planned(services, **fields, alwayson_scripts={"controlnet": {"args": [unit]}})
    assert guided.params["highres_info"]["first_url"] == "aGk="
