"""Infotext of Hua and of A1111's web UI as params."""

import pytest

import pipelines
from server.images.infotext import infotext
from server.task import Task

WEB_UI = """a house <lora:ink:0.8>
Negative prompt: fog
Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 42, Size: 512x768, Model hash: 0123abcdef, \
Model: TOY, Clip skip: 2, ENSD: 31337, Version: v1.10.1"""

HIGHRES = {"fidelity": 0.3, "upscale_factor": 1.5, "upscale_method": "bilinear", "num_steps": 9, "text": "a, b: c"}
MASK = {
    "inpainting_mask_invert": True,
    "masked_content": "noise",
    "inpainting_mode": "masked",
    "inpainting_mask_padding": 32,
    "keep_original_num_fade_pixels": 8,
    "inpainting_target_wh": [512, 768],
}
CASES = [
    ("txt2img.sd", {"w": 512, "h": 768, "negative_prompt": "fog, rain", "sampler": "dpmpp_2m", "sigmas": "karras"}),
    ("txt2img.sd", {"w": 512, "h": 768, "sampler": "euler", "timestep_spacing": "trailing", "use_circular": True}),
    ("txt2img.sd", {"w": 512, "h": 768, "variation_seed": 5, "variation_strength": 0.25, "clip_skip": 1}),
    ("txt2img.sd", {"w": 512, "h": 768, "highres_info": HIGHRES | {"max_wh": 1152}}),
    ("txt2img.sd", {"w": 512, "h": 768, "highres_info": HIGHRES | {"max_wh": 1152, "model": "toy"}}),
    ("img2img.sd", {"wh": [512, 768], "fidelity": 0.4, "resize_mode": "cover"}),
    ("img2img.sd", {"wh": [512, 768], "fidelity": 0.4, "resize_mode": "latent", "noise_multiplier": 0.9}),
    ("txt2img.sd.inpainting", {"fidelity": 0.2, **MASK}),
]


@pytest.mark.parametrize(("name", "own"), CASES)
async def test_our_own_infotext_comes_back(read, name, own) -> None:
    pipeline = pipelines.find(name)
    pictures = {"url": "data:,", "mask_url": "data:,"} if "inpainting" in name else {"url": "data:,"}
    common = {"text": "a house", "model": "toy", "seed": 7, "num_steps": 12, "guidance_scale": 6.5, "sampler": "euler"}
    sent = common | own | (pictures if name != "txt2img.sd" else {})
    params = pipeline.Params.model_validate(sent)
    task = Task(id="0", type=name, params=params.model_dump(mode="json"), tenant="t", created_at=0)
    reply = await read(infotext(task, 7, 512, 768) if "highres_info" not in own else infotext(task, 7, 768, 1152))
    assert (reply["source"], reply["type"], reply["not_understood"]) == ("hua", name, {})
    again = pipeline.Params.model_validate(reply["params"] | (pictures if name != "txt2img.sd" else {}))
    named = set(sent) - {"max_wh"}
    assert again.model_dump(include=named) == params.model_dump(include=named)


async def test_settings_of_the_web_ui(read) -> None:
    reply = await read(WEB_UI)
    assert (reply["source"], reply["type"], reply["text"]) == ("a1111", "txt2img.sd", WEB_UI)
    assert reply["params"] == {
        "text": "a house <lora:ink:0.8>",
        "negative_prompt": "fog",
        "num_steps": 20,
        "guidance_scale": 7.5,
        "seed": 42,
        "clip_skip": 1,
        "model": "toy",
        "sampler": "dpmpp_2m",
        "sigmas": "karras",
        "w": 512,
        "h": 768,
    }
    assert reply["not_understood"] == {"ENSD": "31337"}


async def test_what_no_task_takes_is_listed(read) -> None:
    line = (
        "Steps: 5000, Sampler: Magic, CFG scale: nan, Seed: x, Size: 515x512, Model: gone, VAE: lost, Hires upscale: 9"
    )
    reply = await read(f"a house\n{line}, Hires upscaler: ESRGAN")
    assert reply["params"] == {"text": "a house", "h": 512, "highres_info": {"max_wh": 2060}}
    assert {name: value.partition(":")[0] for name, value in reply["not_understood"].items()} == {
        "num_steps": "5000",
        "Sampler": "Magic",
        "CFG scale": "nan",
        "Seed": "x",
        "w": "515",
        "Model": "gone",
        "VAE": "lost",
        "Hires upscaler": "ESRGAN",
        "highres_info.upscale_factor": "9.0",
    }


async def test_prompt_alone_is_a_prompt(read) -> None:
    assert (await read("a house, with a garden"))["params"] == {"text": "a house, with a garden"}
