"""Round trips: the infotext of an image, sent as the field `infotext`, asks for the same image."""

from __future__ import annotations

from typing import Any

import pytest

import pipelines
from models import catalog as catalogs
from models.catalog.catalog import Catalog
from pipelines.params.image import ImageParams
from pipelines.sampler_names import SAMPLERS, sigmas_of, spacings_of
from pipelines.txt2img import Txt2ImgParams
from server.api.dialects.a1111.img2img import plan_img2img
from server.api.dialects.a1111.infotext_fields import read_fields
from server.api.dialects.a1111.painting import Painting
from server.api.dialects.a1111.request import Img2ImgRequest, Txt2ImgRequest
from server.api.dialects.a1111.txt2img import plan_txt2img
from server.images.infotext import infotext
from server.task import Task

MODELS = """
models:
  - {name: toy, path: toy.safetensors, family: sd1, default: true, aliases: [v1.5]}
  - {name: anime-toy, path: toy.safetensors, family: sd1, aliases: [anime]}
  - {name: ink, path: toy.safetensors, family: lora, for: sd1}
  - {name: kl-f8, path: toy.safetensors, family: vae}
  - {name: "upscaler, large: 4x", path: toy.safetensors, family: upscaler}
  - {name: "comma, colon: net", path: toy.safetensors, family: sd1}
styles:
  - {id: ink, title: Ink, prompt: "{prompt}, ink drawing", negative_prompt: photo, loras: {ink: 0.1234567}}
"""
PICTURES = {"init_images": ["aGk="]}
MASK = {**PICTURES, "mask": "bWFzaw=="}
NOT_PAINTED = {"max_wh", "lora_scales", "text", "highres_info"}
"""Fields that may differ although the images are the same; what they mean is compared instead."""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    folder = tmp_path_factory.mktemp("models")
    (folder / "models.yaml").write_text(MODELS)
    (folder / "toy.safetensors").write_bytes(b"weights")
    return catalogs.read(folder)


def plan(catalog: Catalog, **fields: Any) -> Painting:
    if "init_images" in fields:
        request = Img2ImgRequest.model_validate(fields)
        return plan_img2img(request, request.override_settings, catalog)
    txt2img = Txt2ImgRequest.model_validate(fields)
    return plan_txt2img(txt2img, txt2img.override_settings, catalog)


def validated(painting: Painting) -> ImageParams:
    params: ImageParams = pipelines.find(painting.task_type).Params.model_validate(painting.tasks(1)[0])
    return params


def painted(params: ImageParams) -> dict[str, Any]:
    """All that decides what an image shows."""
    what = params.model_dump(exclude=NOT_PAINTED) | {"loras": params.loras, "text": params.text.partition(" <")[0]}
    if isinstance(params, Txt2ImgParams) and params.highres_info is not None:
        second = params.second_pass.model_dump(exclude=NOT_PAINTED - {"text"})
        own = params.highres_info.model_dump(include={"fidelity", "upscaler", "upscale_method"})
        return what | {"second": second | own | {"size": params.size}}
    return what


def text_of(params: ImageParams, size: tuple[int, int], name: str = "txt2img.sd") -> str:
    task = Task(id="1", type=name, params=params.model_dump(mode="json"), tenant="t", created_at=0)
    return infotext(task, params.seed, *size)


def assert_round_trip(catalog: Catalog, fields: dict[str, Any], size: tuple[int, int] | None = None) -> None:
    first = plan(catalog, **fields)
    params = validated(first)
    size = size or getattr(params, "size", None) or getattr(params, "wh", (0, 0))
    text = text_of(params, size, first.task_type)
    pictures = {name: fields[name] for name in ("init_images", "mask") if name in fields}
    again = plan(catalog, infotext=text, **pictures)
    assert (again.task_type, painted(validated(again))) == (first.task_type, painted(params)), text


PLAIN = {
    "prompt": "a house,\n(red:1.3) [a|b]",
    "seed": 11,
    "steps": 7,
    "cfg_scale": 4.123456789,
    "width": 64,
    "height": 96,
}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"negative_prompt": "fog,\nrain: heavy", "tiling": True},
        {"seed": 2**32 - 1, "subseed": 8, "subseed_strength": 0.123456789},
        {"seed_resize_from_w": 512, "seed_resize_from_h": 384},
        {"override_settings": {"CLIP_stop_at_last_layers": 3, "sd_vae": "kl-f8", "sd_model_checkpoint": "anime"}},
        {"override_settings": {"sd_model_checkpoint": "comma, colon: net"}},
        {"styles": ["Ink"]},
        {"prompt": "x <lora:ink:-0.00001234>"},
        {"cfg_scale": 1},
        {"prompt": "Steps: 4, a: b, c: d"},
        {"prompt": "", "negative_prompt": "x"},
    ],
)
def test_plain_requests(catalog: Catalog, fields: dict[str, Any]) -> None:
    assert_round_trip(catalog, PLAIN | fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"hr_scale": 1.37, "denoising_strength": 0.123456},
        {"hr_resize_x": 128, "denoising_strength": 1},
        {"hr_resize_x": 128, "hr_resize_y": 128, "denoising_strength": 0},
        {"width": 128, "height": 192, "firstphase_width": 64, "firstphase_height": 96},
        *(
            {"hr_upscaler": name}
            for name in ("Latent", "Latent (bicubic)", "Latent (nearest)", "Latent (nearest-exact)")
        ),
        *({"hr_upscaler": name} for name in ("Latent (area)", "Lanczos", "upscaler, large: 4x")),
        {"hr_second_pass_steps": 9},
        {"hr_cfg": 3.3},
        {"hr_prompt": 'a "boat", wide\nand: red', "hr_negative_prompt": "fog: thick"},
    ],
)
def test_second_passes(catalog: Catalog, fields: dict[str, Any]) -> None:
    assert_round_trip(catalog, PLAIN | {"enable_hr": True} | fields)


@pytest.mark.parametrize("first", [("Euler", ""), ("Heun", "Karras"), ("DPM++ 2M", "SGM Uniform"), ("LCM", "")])
@pytest.mark.parametrize("sampler", ["", "Heun", "DPM++ 2M", "DPM++ 2M SDE", "DDIM", "LCM"])
@pytest.mark.parametrize("scheduler", ["", "Automatic", "Uniform", "Karras", "SGM Uniform", "DDIM"])
def test_samplers_of_second_passes(catalog: Catalog, first: tuple[str, str], sampler: str, scheduler: str) -> None:
    second = {"hr_sampler_name": sampler, "hr_scheduler": scheduler}
    assert_round_trip(catalog, PLAIN | {"enable_hr": True, "sampler_name": first[0], "scheduler": first[1]} | second)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_and_schedule_of_our_own_api(catalog: Catalog, sampler: str) -> None:
    """Of the first pass, and of the second one. `solver` and `dpmpp_2m` are one sampler."""
    schedules = [{"sigmas": sigmas} for sigmas in (None, *sigmas_of(sampler))]
    for schedule in [*schedules, *({"timestep_spacing": spacing} for spacing in spacings_of(sampler))]:
        own = {"sampler": sampler, **schedule}
        plain = {"text": "a", "model": "toy", "seed": 1, "num_steps": 4, "w": 64, "h": 64}
        for params in (plain | own, plain | {"sampler": "heun", "sigmas": "beta", "highres_info": own}):
            expected = Txt2ImgParams.model_validate(params)
            again = validated(plan(catalog, infotext=text_of(expected, expected.size)))
            assert sampling(again) == sampling(expected)


def sampling(params: ImageParams) -> list[tuple[str, str | None, str | None]]:
    assert isinstance(params, Txt2ImgParams)
    passes = (params, params.second_pass)
    return [(each.sampler.replace("solver", "dpmpp_2m"), each.sigmas, each.timestep_spacing) for each in passes]


@pytest.mark.parametrize("factor", [1.27, 1.5, 2.0, 3.99])
@pytest.mark.parametrize("side", [64, 72, 80, 88, 512])
def test_factors_of_our_own_api_are_sizes(catalog: Catalog, factor: float, side: int) -> None:
    highres = {"upscale_factor": factor, "max_wh": 4096}
    params = Txt2ImgParams.model_validate({"text": "a", "w": side, "h": 64, "seed": 1, "highres_info": highres})
    again = validated(plan(catalog, infotext=text_of(params, params.size)))
    assert isinstance(again, Txt2ImgParams)
    assert (again.size, again.w, again.h) == (params.size, side, 64)


@pytest.mark.parametrize(
    "fields",
    [
        *({"resize_mode": mode, "denoising_strength": 0.3} for mode in (0, 1, 2, 3)),
        {"denoising_strength": 0},
        {"initial_noise_multiplier": 0.9},
        {"sampler_name": "Heun", "scheduler": "Karras", "negative_prompt": "fog"},
    ],
)
def test_image_to_image(catalog: Catalog, fields: dict[str, Any]) -> None:
    assert_round_trip(catalog, PLAIN | PICTURES | fields)


@pytest.mark.parametrize("fill", [0, 1, 2, 3])
@pytest.mark.parametrize(
    "fields",
    [
        {"inpaint_full_res": True, "inpaint_full_res_padding": 16, "mask_blur": 0},
        {"inpaint_full_res": False, "mask_blur_x": 9, "resize_mode": 2},
        {"inpaint_full_res": True, "inpainting_mask_invert": 1, "denoising_strength": 1},
    ],
)
def test_inpainting(catalog: Catalog, fields: dict[str, Any], fill: int) -> None:
    """The image is as large as the picture, if only the masked part is painted."""
    assert_round_trip(catalog, PLAIN | MASK | {"inpainting_fill": fill} | fields, (64, 96))


def test_fields_of_the_request_come_first(catalog: Catalog) -> None:
    text = "a\nSteps: 4, Sampler: Heun, Seed: 5, Size: 64x96, Model: toy, Clip skip: 2"
    overrides = {"sd_model_checkpoint": "anime-toy"}
    params = validated(plan(catalog, infotext=text, seed=6, steps=None, override_settings=overrides))
    assert (params.seed, params.num_steps, params.sampler, params.model) == (6, 4, "heun", "anime-toy")
    assert params.clip_skip == 1


def test_infotext_of_another_web_ui() -> None:
    text = (
        "a\nNegative prompt: b\nSteps: 4, Sampler: DPM++ 2M, Schedule type: Karras, Size: 64x96, Model hash: 01, "
        'Denoising strength: 0.5, Hires upscale: 2, Hires upscaler: Latent, Lora hashes: "x: 1", Version: v1.10.1'
    )
    fields, options = read_fields(text)
    assert (fields["enable_hr"], fields["hr_scale"], fields["width"]) == (True, "2", "64")
    assert options == {"sd_vae": "Automatic", "CLIP_stop_at_last_layers": 1}


@pytest.mark.parametrize("text", ["", " \n"])
def test_no_infotext(text: str) -> None:
    assert read_fields(text) == ({}, {})
