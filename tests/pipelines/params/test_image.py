from typing import Any

import pytest
from pydantic import ValidationError

import pipelines
from pipelines.img2img import Img2ImgParams
from pipelines.params.image import CACHED_STEP_COST
from pipelines.params.limits import SEEDS
from pipelines.txt2img import Txt2Img, Txt2ImgParams


def test_defaults_are_those_of_the_replaced_api() -> None:
    params = Txt2ImgParams(text="a cat")
    assert (params.w, params.h, params.num_steps, params.guidance_scale, params.seed) == (512, 512, 20, 7.5, -1)
    assert (params.sampler, params.model, params.clip_skip, params.max_wh) == ("euler", "v1.5", -1, 1024)
    assert Img2ImgParams(text="a cat", url="https://example.com/a.png").fidelity == 0.2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"w": 515}, "w 515 is not a multiple of 8; try 512 or 520"),
        ({"h": 2048}, "h 2048 is above max_wh 1024"),
        ({"w": 8}, "greater than or equal to 64"),
        ({"num_steps": 0}, "greater than or equal to 1"),
        ({"num_steps": 101}, "less than or equal to 100"),
        ({"seed": SEEDS}, "less than 4294967296"),
        ({"guidance_scale": float("nan")}, "less than or equal to 50"),
        ({"stepz": 20}, "Extra inputs are not permitted"),
        ({"variations": [{"seed": 1, "strength": 2}]}, "less than or equal to 1"),
        ({"lora_scales": {"ink": 11}}, "less than or equal to 10"),
        ({"lora_scales": {str(name): 1 for name in range(9)}}, "9 LoRAs are too many; use at most 8"),
        ({"model": "\ud800"}, "unable to parse raw data as a unicode string"),
        ({"lora_scales": {"\ud800": 1}}, "unable to parse raw data as a unicode string"),
        ({"lora_paths": ["/etc/passwd"]}, "callers name LoRAs and never files"),
        ({"text": "<lora:ink:strong>"}, "give a number from -10 to 10"),
        ({"negative_prompt": "<lora:ink:1>"}, "write it in text"),
        ({"custom_embeddings": {"a(b)": [[0.1]]}}, "String should match pattern"),
        ({"custom_embeddings": {"<a>": [[0.1], [0.1, 0.2]]}}, "the vectors of '<a>' differ in length"),
        ({"custom_embeddings": {"<a>": [[float("nan")]]}}, "finite number"),
        ({"custom_embeddings": {"<a>": "/etc/passwd"}}, "Input should be a valid list"),
        ({"custom_embeddings": {"<a>": [[0.1]] * 33}}, "at most 32 items"),
        ({"w": 768, "highres_info": {}}, "above its max_wh 1024; lower upscale_factor"),
    ],
)
def test_invalid_params_are_refused_with_advice(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Txt2ImgParams.model_validate({"text": "a cat", **wrong})
    assert message in str(caught.value)


def test_dumped_params_validate_to_the_same_params() -> None:
    params = Txt2ImgParams.model_validate(
        {"text": "a cat", "sampler": "DPM++ 2M Karras", "version": "anime", "highres_info": {"upscale_factor": 1.5}}
    )
    assert Txt2ImgParams.model_validate(params.model_dump(mode="json")) == params


def test_is_anime_selects_the_anime_model_unless_model_is_anime() -> None:
    assert Txt2ImgParams(text="a", is_anime=True).checkpoint == "anime"
    assert Txt2ImgParams(text="a", is_anime=True, model="anime_orange").checkpoint == "anime_orange"


def test_resolve_draws_a_seed_once_and_images_count_up() -> None:
    params = Txt2Img().resolve(Txt2ImgParams(text="a", num_samples=3))
    assert params.seed >= 0
    assert params.seeds == (params.seed, params.seed + 1, params.seed + 2)
    assert Txt2Img().resolve(params) is params
    assert Txt2ImgParams(text="a", seed=SEEDS - 1, num_samples=2).seeds == (SEEDS - 1, 0)


def test_guidance_scale_of_one_or_less_needs_no_negative_prompt() -> None:
    assert Txt2ImgParams(text="a", guidance_scale=1).negative is None
    assert Txt2ImgParams(text="a", guidance_scale=1.1).negative == ""


def test_cost_grows_with_pixels_images_and_steps() -> None:
    pipeline = Txt2Img()
    assert pipeline.work(Txt2ImgParams(text="a")).cost == pytest.approx(1)
    assert pipeline.work(Txt2ImgParams(text="a", num_samples=2, num_steps=40)).cost == pytest.approx(4)
    assert pipeline.work(Txt2ImgParams(text="a", highres_info={})).pixels == 1024 * 1024


@pytest.mark.parametrize(
    ("changes", "cost"),
    [
        ({"guidance_scale": 1}, 0.5),
        ({"guidance_scale": 0, "num_steps": 4, "sampler": "lcm"}, 0.1),
        ({"guidance_interval": (0.25, 0.75)}, 0.75),
        ({"deep_cache": 2}, (1 + CACHED_STEP_COST) / 2),
        ({"deep_cache": 3, "guidance_scale": 1}, (7 + 13 * CACHED_STEP_COST) / 40),
        ({"sampler": "heun"}, 39 / 20),
    ],
)
def test_cost_follows_the_compute_fraction(changes: dict[str, Any], cost: float) -> None:
    assert Txt2Img().work(Txt2ImgParams(text="a", **changes)).cost == pytest.approx(cost)


@pytest.mark.parametrize("task", ["img2img.sd", "control.canny", "upscale.tile"])
def test_deep_cache_lowers_the_cost_of_every_task(task: str) -> None:
    pipeline = pipelines.find(task)
    picture = {"text": "a", "url": "http://example.com/a.png", "model": "sd"}
    full, cached = (
        pipeline.work(pipeline.Params.model_validate({**picture, **options})).cost
        for options in ({}, {"deep_cache": 2})
    )
    assert cached / full == pytest.approx((1 + CACHED_STEP_COST) / 2)
