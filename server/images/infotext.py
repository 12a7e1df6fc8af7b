"""The parameters of an image as text (infotext), in the format of A1111, which many galleries read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from server.images.a1111_names import AUTOMATIC, SAMPLERS, SCHEDULERS, schedule_label
from server.task import Task

UPSCALERS = {"bilinear": "Latent", "lanczos": "Lanczos"}
"""The web UI's names of ways to enlarge the first pass; others are `Latent (NAME)`."""
MASKED_CONTENTS = {
    "fill": "fill",
    "original": "original",
    "noise": "latent noise",
    "nothing": "latent nothing",
}
RESIZE_MODES = {"cover": "Crop and resize", "pad": "Resize and fill", "latent": "Just resize (latent upscale)"}
FADE_PER_BLUR = 2
"""A Gaussian blur of a mask by n pixels reaches about 2n pixels around it."""


def infotext(task: Task, seed: int | None, width: int, height: int) -> str:
    """The prompt, the negative prompt and a line of settings. `seed`, `width` and `height` are those of one image."""
    params = task.params
    lines = [_prompt(params)]
    if params.get("negative_prompt"):
        lines.append(f"Negative prompt: {params['negative_prompt']}")
    size = _first_size(params) or f"{width}x{height}"
    settings = {**_sampling(params), "Seed": seed, "Size": size, "Model": params.get("model")}
    settings["VAE"] = params.get("vae") or None
    settings |= _strengths(params, (width, height)) | _extras(params) | _mask(params) | {"Version": "Hua"}
    lines.append(", ".join(f"{name}: {_quoted(value)}" for name, value in settings.items() if value is not None))
    return "\n".join(lines)


def _first_size(params: dict[str, Any]) -> str | None:
    """The size that a request names, if that of the images is another one."""
    if params.get("highres_info"):
        return _size(*_first_sides(params))
    target = params.get("inpainting_target_wh")
    return _size(*target) if isinstance(target, list | tuple) else _size(target, target)


def _prompt(params: dict[str, Any]) -> str:
    """The prompt with a tag for each LoRA that was given as a parameter."""
    tags = (f"<lora:{name}:{_number(scale)}>" for name, scale in (params.get("lora_scales") or {}).items())
    return " ".join(filter(None, (str(params.get("text", "")), *tags)))


def _sampling(params: dict[str, Any]) -> dict[str, Any]:
    sampler, sigmas = params.get("sampler"), params.get("sigmas")
    return {
        "Steps": params.get("num_steps"),
        "Sampler": SAMPLERS.get(sampler or "", sampler),
        "Schedule type": schedule_label(sampler or "", sigmas, params.get("timestep_spacing")),
        "CFG scale": params.get("guidance_scale"),
    }


def _first_sides(params: dict[str, Any]) -> Sequence[int | None]:
    return params.get("wh") or (params.get("w"), params.get("h"))


def _strengths(params: dict[str, Any], image: tuple[int, int]) -> dict[str, Any]:
    """Denoising strength is 1 - fidelity."""
    highres = params.get("highres_info") or {}
    fidelity = params.get("fidelity", highres.get("fidelity"))
    return {
        "Denoising strength": None if fidelity is None else round(1 - fidelity, 6),
        **_second_pass(params, highres, image),
    }


def _second_pass(params: dict[str, Any], highres: dict[str, Any], image: tuple[int, int]) -> dict[str, Any]:
    """`image` is the size of the finished image, which a factor alone may not tell, because sides are rounded."""
    if not highres:
        return {}
    method, factor = highres.get("upscale_method"), highres.get("upscale_factor")
    sides = [(side or 0) * (factor or 0) for side in _first_sides(params)]
    by_factor = not highres.get("w") and (not all(sides) or sides == [*image])
    return {
        "Hires upscale": factor if by_factor else None,
        "Hires resize": None if by_factor else _size(*image),
        "Hires upscaler": highres.get("upscaler") or UPSCALERS.get(str(method), f"Latent ({method})"),
        "Hires checkpoint": highres.get("model"),
        "Hires steps": highres.get("num_steps"),
        **_second_sampling(params, highres),
        "Hires CFG Scale": highres.get("guidance_scale"),
        "Hires prompt": highres.get("text"),
        "Hires negative prompt": highres.get("negative_prompt"),
    }


def _second_sampling(params: dict[str, Any], highres: dict[str, Any]) -> dict[str, Any]:
    """Nothing if it is that of the first pass. Else its schedule is named in any case: without a name, the web UI takes
    that of the first pass."""
    own = {name: highres.get(name) for name in ("sampler", "sigmas", "timestep_spacing")}
    if not any(own.values()):
        return {}
    first = {} if own["sampler"] else {name: params.get(name) for name in own}
    sampler, sigmas, spacing = (own[name] or first.get(name) for name in own)
    label = schedule_label(sampler or "", sigmas, spacing) or SCHEDULERS[AUTOMATIC][0]
    return {"Hires sampler": SAMPLERS.get(sampler or "", sampler), "Hires schedule type": label}


def _extras(params: dict[str, Any]) -> dict[str, Any]:
    """Settings that A1111 writes only if they were used. It counts the last layer as clip skip 1, we as 0."""
    clip_skip, strength = params.get("clip_skip", -1), params.get("variation_strength", 0)
    multiplier = params.get("noise_multiplier", 1)
    return {
        "Clip skip": clip_skip + 1 if clip_skip > 0 else None,
        "Variation seed": params.get("variation_seed") if strength else None,
        "Variation seed strength": strength or None,
        "Seed resize from": _size(params.get("seed_resize_w"), params.get("seed_resize_h")),
        "Resize mode": RESIZE_MODES.get(str(params.get("resize_mode"))),
        "Noise multiplier": multiplier if multiplier != 1 else None,
        "Tiling": True if params.get("use_circular") else None,
    }


def _mask(params: dict[str, Any]) -> dict[str, Any]:
    """How the web UI would repaint a part of a picture in the same way, if it can."""
    content, fade = MASKED_CONTENTS.get(str(params.get("masked_content"))), params.get("keep_original_num_fade_pixels")
    if content is None or not params.get("mask_url"):
        return {}
    crops = params.get("inpainting_mode") == "masked"
    return {
        "Mask mode": "Inpaint not masked" if params.get("inpainting_mask_invert") else "Inpaint masked",
        "Masked content": content,
        "Inpaint area": "Only masked" if crops else "Whole picture",
        "Masked area padding": params.get("inpainting_mask_padding") if crops else None,
        "Mask blur": (fade or 0) // FADE_PER_BLUR,
    }


def _size(width: int | None, height: int | None) -> str | None:
    return f"{width}x{height}" if width and height else None


def _number(value: float) -> str:
    """All digits, because another number may be another image, and no exponent, which not every reader knows."""
    return np.format_float_positional(value, trim="-")


def _quoted(value: Any) -> str:
    """The value as text; as a JSON string if it contains a separator of `name: value, name: value`."""
    text = _number(value) if isinstance(value, float) else str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r"[,:\n]", text) else text
