"""The parameters of an image as text (infotext), in the format of A1111, which many galleries read."""

from __future__ import annotations

import json
import re
from typing import Any

from server.images.a1111_names import SAMPLERS, schedule_label
from server.task import Task

UPSCALERS = {"bilinear": "Latent", "lanczos": "Lanczos"}
"""The web UI's names of ways to enlarge the first pass; others are `Latent (NAME)`."""
MASKED_CONTENTS = {
    "fill": "fill",
    "original": "original",
    "noise": "latent noise",
    "nothing": "latent nothing",
}


def infotext(task: Task, seed: int | None, width: int, height: int) -> str:
    """The prompt, the negative prompt and a line of settings. `seed`, `width` and `height` are those of one image."""
    params = task.params
    lines = [_prompt(params)]
    if params.get("negative_prompt"):
        lines.append(f"Negative prompt: {params['negative_prompt']}")
    settings = {**_sampling(params), "Seed": seed, "Size": f"{width}x{height}", "Model": params.get("model")}
    settings |= _strengths(params) | _extras(params) | {"Version": "Hua"}
    lines.append(", ".join(f"{name}: {_quoted(value)}" for name, value in settings.items() if value is not None))
    return "\n".join(lines)


def _prompt(params: dict[str, Any]) -> str:
    """The prompt with a tag for each LoRA that was given as a parameter."""
    tags = (f"<lora:{name}:{scale:g}>" for name, scale in (params.get("lora_scales") or {}).items())
    return " ".join(filter(None, (str(params.get("text", "")), *tags)))


def _sampling(params: dict[str, Any]) -> dict[str, Any]:
    sampler, sigmas = params.get("sampler"), params.get("sigmas")
    return {
        "Steps": params.get("num_steps"),
        "Sampler": SAMPLERS.get(sampler or "", sampler),
        "Schedule type": schedule_label(sampler or "", sigmas, params.get("timestep_spacing")),
        "CFG scale": params.get("guidance_scale"),
    }


def _strengths(params: dict[str, Any]) -> dict[str, Any]:
    """Denoising strength is 1 - fidelity."""
    highres = params.get("highres_info") or {}
    fidelity = params.get("fidelity", highres.get("fidelity"))
    return {
        "Denoising strength": None if fidelity is None else round(1 - fidelity, 4),
        **_second_pass(highres),
    }


def _second_pass(highres: dict[str, Any]) -> dict[str, Any]:
    if not highres:
        return {}
    size = _size(highres.get("w"), highres.get("h"))
    sampler, method = highres.get("sampler"), highres.get("upscale_method")
    return {
        "Hires upscale": None if size else highres.get("upscale_factor"),
        "Hires resize": size,
        "Hires upscaler": highres.get("upscaler") or UPSCALERS.get(str(method), f"Latent ({method})"),
        "Hires steps": highres.get("num_steps"),
        "Hires sampler": SAMPLERS.get(sampler or "", sampler),
        "Hires schedule type": schedule_label(sampler or "", highres.get("sigmas"), None) if sampler else None,
        "Hires CFG Scale": highres.get("guidance_scale"),
        "Hires prompt": highres.get("text"),
        "Hires negative prompt": highres.get("negative_prompt"),
    }


def _extras(params: dict[str, Any]) -> dict[str, Any]:
    """Settings that A1111 writes only if they were used. It counts the last layer as clip skip 1, we as 0."""
    clip_skip, strength = params.get("clip_skip", -1), params.get("variation_strength", 0)
    return {
        "Clip skip": clip_skip + 1 if clip_skip > 0 else None,
        "Variation seed": params.get("variation_seed") if strength else None,
        "Variation seed strength": strength or None,
        "Seed resize from": _size(params.get("seed_resize_w"), params.get("seed_resize_h")),
        "Masked content": MASKED_CONTENTS.get(str(params.get("masked_content"))),
        "Tiling": True if params.get("use_circular") else None,
    }


def _size(width: int | None, height: int | None) -> str | None:
    return f"{width}x{height}" if width and height else None


def _quoted(value: Any) -> str:
    """The value as text; as a JSON string if it contains a separator of `name: value, name: value`."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return json.dumps(text, ensure_ascii=False) if re.search(r"[,:\n]", text) else text
