from __future__ import annotations

from pipelines import sampler_names
from server.images.infotext import SAMPLERS, infotext
from server.task import Task

PARAMS = {
    "text": "a cat, (oil:1.2)\non a mat",
    "negative_prompt": "blurry",
    "num_steps": 20,
    "guidance_scale": 7.5,
    "sampler": "euler_a",
    "sigmas": None,
    "seed": 41,
    "model": "v1.5",
    "clip_skip": -1,
    "use_circular": False,
    "variation_seed": 0,
    "variation_strength": 0.0,
}


def text_of(seed=42, **params):
    task = Task(id="1", type="txt2img.sd", params=PARAMS | params, tenant="t", created_at=0)
    return infotext(task, seed, 512, 768)


def test_infotext_of_a_plain_task():
    assert text_of() == (
        "a cat, (oil:1.2)\non a mat\n"
        "Negative prompt: blurry\n"
        "Steps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 42, Size: 512x768, Model: v1.5, Version: Hua"
    )


def test_loras_are_tags_in_the_prompt():
    text = text_of(text="a cat <lora:ink:1>", lora_scales={"oil": 0.5, "b": 1.0})
    assert text.splitlines()[0] == "a cat <lora:ink:1> <lora:oil:0.5> <lora:b:1>"


def test_empty_negative_prompt_has_no_line():
    assert text_of(negative_prompt="").splitlines()[2].startswith("Steps: 20, ")


def test_infotext_has_all_settings():
    last = text_of(
        sampler="dpmpp_2m",
        sigmas="karras",
        fidelity=0.2,
        clip_skip=1,
        use_circular=True,
        variation_seed=5,
        variation_strength=0.25,
        guidance_scale=7.0,
    ).splitlines()[-1]
    assert last == (
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 42, Size: 512x768, Model: v1.5, "
        "Denoising strength: 0.8, Clip skip: 2, Variation seed: 5, Variation seed strength: 0.25, Tiling: True, "
        "Version: Hua"
    )


def test_infotext_of_a_second_pass():
    last = text_of(highres_info={"fidelity": 0.3, "upscale_factor": 2.0, "upscale_method": "bilinear"})
    assert "Denoising strength: 0.7, Hires upscale: 2, Hires upscaler: Latent" in last
    assert "Hires" not in text_of(highres_info=None)


def test_sizes_of_a_second_pass():
    """As in the web UI, the size is that of the first pass, and a factor that is rounded is a size."""
    exact = text_of(w=256, h=384, highres_info={"upscale_factor": 2.0})
    assert "Size: 256x384, " in exact
    assert "Hires upscale: 2, " in exact
    rounded = text_of(w=400, h=600, highres_info={"upscale_factor": 1.27})
    assert "Size: 400x600, " in rounded
    assert "Hires resize: 512x768, " in rounded


def test_schedule_of_a_second_pass_is_named_if_it_has_its_own():
    first = {"sampler": "euler", "sigmas": "karras"}
    assert "Hires s" not in text_of(**first, highres_info={"upscale_factor": 2.0})
    own = text_of(**first, highres_info={"upscale_factor": 2.0, "sampler": "heun"})
    assert "Hires sampler: Heun, Hires schedule type: Automatic, " in own
    beta = text_of(**first, highres_info={"upscale_factor": 2.0, "sigmas": "beta"})
    assert "Hires sampler: Euler, Hires schedule type: Beta, " in beta


def test_separate_vae_is_named():
    assert ", VAE: kl-f8, " in text_of(vae="kl-f8")
    assert "VAE" not in text_of(vae="")


def test_numbers_keep_all_digits_and_have_no_exponent():
    assert "CFG scale: 7.123456789, " in text_of(guidance_scale=7.123456789)
    assert text_of(text="a cat", lora_scales={"a": 0.00001}).splitlines()[0].endswith("<lora:a:0.00001>")


def test_mask():
    mask = {"mask_url": "file-1", "masked_content": "noise", "keep_original_num_fade_pixels": 8}
    whole = text_of(**mask, inpainting_mode="normal", resize_mode="cover")
    assert (
        "Resize mode: Crop and resize, Mask mode: Inpaint masked, Masked content: latent noise, "
        "Inpaint area: Whole picture, Mask blur: 4" in whole
    )
    cropped = {"inpainting_mode": "masked", "inpainting_mask_padding": 16, "inpainting_target_wh": [64, 96]}
    part = text_of(**mask, **cropped, inpainting_mask_invert=True)
    assert "Size: 64x96, " in part
    assert "Mask mode: Inpaint not masked, " in part
    assert "Inpaint area: Only masked, Masked area padding: 16, " in part
    assert "Mask" not in text_of(masked_content=None)


def test_values_with_separators_are_quoted():
    assert 'Model: "a, b: c", ' in text_of(model="a, b: c")


def test_unknown_sampler_keeps_its_name():
    assert "Sampler: mine, " in text_of(sampler="mine")
    task = Task(id="1", type="matting", params={"url": "x"}, tenant="t", created_at=0)
    assert infotext(task, None, 8, 8) == "\nSize: 8x8, Version: Hua"


def test_every_sampler_has_a_label():
    assert set(SAMPLERS) == set(sampler_names.SAMPLERS)
