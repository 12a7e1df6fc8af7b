"""What a request for img2img becomes."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

import pipelines
from server.api.dialects.a1111.img2img import plan_img2img
from server.api.dialects.a1111.painting import Painting
from server.api.dialects.a1111.request import Img2ImgRequest
from server.services import Services
from server.tasks.submission import InvalidParamsError

PICTURE, MASK = "data:image/png;base64,aGk=", "bWFzaw=="


def planned(services: Services, **fields: Any) -> Painting:
    request = Img2ImgRequest.model_validate({"prompt": "a house", "seed": 7, "init_images": [PICTURE], **fields})
    painting = plan_img2img(request, {}, services.catalog)
    pipelines.find(painting.task_type).Params.model_validate(painting.tasks(1)[0])
    return painting


@pytest.mark.parametrize(("mode", "expected"), [(0, "fill"), (1, "cover"), (2, "pad"), (3, "latent")])
async def test_picture_gets_the_size_of_the_request(services: Services, mode: int, expected: str) -> None:
    painting = planned(services, denoising_strength=0.3, width=640, height=384, resize_mode=mode)
    assert painting.task_type == "img2img.sd"
    params = painting.tasks(1)[0]
    assert (params["url"], params["wh"], params["resize_mode"]) == (PICTURE, (640, 384), expected)
    assert (params["fidelity"], params["keep_alpha"]) == (0.7, False)


@pytest.mark.parametrize(("fill", "content"), [(0, "fill"), (1, "original"), (2, "noise"), (3, "nothing")])
@pytest.mark.parametrize("whole", [True, False])
async def test_mask(services: Services, fill: int, content: str, whole: bool) -> None:
    painting = planned(
        services, mask=MASK, inpainting_fill=fill, inpaint_full_res=whole, inpaint_full_res_padding=16, mask_blur=8
    )
    assert painting.task_type == "txt2img.sd.inpainting"
    params = painting.params
    assert (params["mask_url"], params["masked_content"], params["fidelity"]) == (MASK, content, 0.25)
    assert (params["keep_original_num_fade_pixels"], params["use_raw_inpainting"]) == (16, True)
    if whole:
        assert (params["inpainting_mode"], params["inpainting_mask_padding"]) == ("masked", 16)
        assert params["inpainting_target_wh"] == (512, 512)
    else:
        assert (params["keep_original"], params["wh"]) == (True, (512, 512))


@pytest.mark.parametrize("whole", [True, False])
async def test_latents_are_resized_under_a_mask_unless_only_its_part_is_painted(
    services: Services, whole: bool
) -> None:
    params = planned(services, mask=MASK, resize_mode=3, inpaint_full_res=not whole).params
    assert params.get("resize_mode") == ("latent" if whole else None)


async def test_mask_may_be_inverted_and_blurred_by_axis(services: Services) -> None:
    params = planned(services, mask=MASK, inpainting_mask_invert=1, mask_blur_x=2, mask_blur_y=6).params
    assert (params["inpainting_mask_invert"], params["keep_original_num_fade_pixels"]) == (True, 12)


async def test_noise_multiplier(services: Services) -> None:
    for mask in ({}, {"mask": MASK}):
        assert planned(services, initial_noise_multiplier=0.5, **mask).params["noise_multiplier"] == 0.5
    with pytest.raises(ValidationError, match="less than or equal to"):
        planned(services, initial_noise_multiplier=2)


async def test_several_pictures_are_taken_in_turn(services: Services) -> None:
    tasks = planned(services, init_images=["YQ==", "Yg=="], n_iter=3).tasks(3)
    assert [(task["url"], task["seed"], task["num_samples"]) for task in tasks] == [
        ("YQ==", 7, 1),
        ("Yg==", 8, 1),
        ("YQ==", 9, 1),
    ]


async def test_units_take_the_picture_and_its_mask(services: Services) -> None:
    unit = {"module": "canny", "model": "canny"}
    painting = planned(services, mask=MASK, alwayson_scripts={"controlnet": {"args": [unit]}}, denoising_strength=0.0)
    assert painting.task_type == "control_new.multi"
    assert (painting.params["mask_url"], painting.params["fidelity"]) == (MASK, 0.99)
    assert painting.params["controls"][0]["data"]["hint_url"] is None


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"init_images": []}, "init_images"),
        ({"latent_mask": "aGk="}, "latent_mask"),
    ],
)
async def test_what_cannot_be_meant_is_refused_by_name(services: Services, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParamsError) as refused:
        planned(services, **fields)
    assert refused.value.field == field
