"""The library webuiapi and real pixels; and the examples of docs/dialects/a1111.md, as they stand there."""

from __future__ import annotations

import base64
import gc
import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import webuiapi
from PIL import Image

from tests.support.docs import python_blocks, shell_blocks
from tests.support.running_service import RunningService

PAGE = "dialects/a1111.md"
FIRST, GUIDED = python_blocks(PAGE)
[CURL] = shell_blocks(PAGE)


@pytest.fixture
def api(service: RunningService) -> Iterator[webuiapi.WebUIApi]:
    api = webuiapi.WebUIApi(host="127.0.0.1", port=service.port)
    yield api
    api.session.close()


def test_examples_with_a_library(service: RunningService, folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the library leaves the closing of its session to its users
        assert service.run_python(FIRST, folder) == ["[5, 6] a red house on the grass"]
        assert service.run_python(GUIDED, folder) == ["(64, 64) 2"]
        gc.collect()


def test_example_of_a_second_pass(service: RunningService, folder: Path) -> None:
    reply = json.loads(service.run_script(CURL, folder))
    with Image.open(io.BytesIO(base64.b64decode(reply["images"][0]))) as image:
        assert image.size == (144, 144)
        assert image.info["parameters"] == json.loads(reply["info"])["infotexts"][0]


@pytest.mark.parametrize(
    "fields",
    [
        {"sampler_name": "DPM++ 2M", "scheduler": "uniform"},
        {"sampler_name": "Euler", "scheduler": "SGM Uniform", "subseed": 8, "subseed_strength": 0.3},
        {"sampler_name": "Heun", "negative_prompt": "fog, rain", "tiling": True},
    ],
)
def test_infotext_paints_the_same_image_again(api: webuiapi.WebUIApi, fields: dict[str, object]) -> None:
    first = api.txt2img(prompt="a [red|blue] house", seed=11, steps=4, cfg_scale=4, width=64, height=96, **fields)
    found = api.png_info(first.image).parameters
    again = api.txt2img(
        prompt=found["Prompt"],
        negative_prompt=found["Negative prompt"],
        seed=int(found["Seed"]),
        subseed=int(found.get("Variation seed", -1)),
        subseed_strength=float(found.get("Variation seed strength", 0)),
        steps=int(found["Steps"]),
        cfg_scale=float(found["CFG scale"]),
        sampler_name=found["Sampler"],
        scheduler=found.get("Schedule type", "automatic"),
        width=int(found["Size-1"]),
        height=int(found["Size-2"]),
        tiling=found.get("Tiling") == "True",
    )
    assert np.array_equal(np.asarray(first.image), np.asarray(again.image))


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (
            "txt2img",
            {
                "enable_hr": True,
                "hr_scale": 1.4,
                "hr_upscaler": "Latent (bicubic)",
                "hr_sampler_name": "Heun",
                "hr_scheduler": "SGM Uniform",
                "hr_prompt": "a blue house, snow",
                "denoising_strength": 0.567,
                "override_settings": {"sd_vae": "toy-vae", "CLIP_stop_at_last_layers": 2},
            },
        ),
        ("img2img", {"inpaint_full_res_padding": 8, "inpainting_fill": 2, "mask_blur": 3, "scheduler": "Karras"}),
    ],
)
def test_infotext_alone_paints_the_same_image_again(
    api: webuiapi.WebUIApi, folder: Path, path: str, fields: dict[str, object]
) -> None:
    def painted(**body: object) -> str:
        reply = api.session.post(f"{api.baseurl}/{path}", json=pictures | body)
        assert reply.status_code == 200, reply.text
        image: str = reply.json()["images"][0]
        return image

    files = [base64.b64encode((folder / f"{name}.png").read_bytes()).decode() for name in ("picture", "mask")]
    pictures = {"init_images": files[:1], "mask": files[1]} if path == "img2img" else {}
    first = painted(prompt="a [red|blue] house", seed=11, steps=4, cfg_scale=4.1, width=64, height=96, **fields)
    with Image.open(io.BytesIO(base64.b64decode(first))) as image:
        text = image.info["parameters"]
    assert painted(infotext=text) == first, text


def test_everything_else_that_the_library_can_ask(api: webuiapi.WebUIApi) -> None:
    picture = Image.fromarray(np.full((16, 24, 3), 90, np.uint8))
    assert api.extra_single_image(picture, upscaling_resize=2, upscaler_1="R-ESRGAN 4x+").image.size == (48, 32)
    assert len(api.extra_batch_images([picture, picture], upscaler_1="Lanczos").images) == 2
    assert isinstance(api.interrogate(picture).info, str)
    assert api.get_progress()["progress"] == 0
    assert api.interrupt() == {}
    api.util_set_model("toy-sd1-inpainting")
    assert api.util_get_current_model() == "toy-sd1-inpainting"
    api.util_set_model("toy-sd1")
    assert "toy-sd1-canny" in api.controlnet_model_list()
    assert api.controlnet_detect(images=[picture], module="canny").image.size == (24, 16)
    assert {"Euler a", "Karras"} <= {each["name"] for each in api.get_samplers()} | {
        each["label"] for each in api.get_schedulers()
    }
