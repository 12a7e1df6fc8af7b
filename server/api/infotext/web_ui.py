"""Settings in infotext, as Hua and A1111's web UI write it into images."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from models.catalog.catalog import Catalog
from models.kinds import CHECKPOINT_FAMILIES, families_of
from models.kinds.upscaler import UPSCALER
from models.kinds.vae import VAE
from server.api.dialects.a1111.samplers import sampling_params, second_sampling_params
from server.api.dialects.a1111.txt2img import LATENT_METHODS
from server.api.infotext.settings import FoundSettings, name_of_model
from server.images.infotext import FADE_PER_BLUR, MASKED_CONTENTS, RESIZE_MODES
from server.images.infotext_reader import NEGATIVE_NAME, PROMPT_NAME, read_infotext
from server.tasks.submission import InvalidParamsError

Convert = Callable[[str], Any]
"""Raises ValueError or KeyError for a value that it does not know."""


def _real(value: str) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


PARAMS: Mapping[str, tuple[str, Convert]] = {
    PROMPT_NAME: ("text", str),
    NEGATIVE_NAME: ("negative_prompt", str),
    "Steps": ("num_steps", int),
    "CFG scale": ("guidance_scale", _real),
    "Seed": ("seed", int),
    "Variation seed": ("variation_seed", int),
    "Variation seed strength": ("variation_strength", _real),
    "Seed resize from-1": ("seed_resize_w", int),
    "Seed resize from-2": ("seed_resize_h", int),
    "Clip skip": ("clip_skip", lambda value: int(value) - 1),
    "Tiling": ("use_circular", lambda value: value == "True"),
}
SECOND_PASS: Mapping[str, tuple[str, Convert]] = {
    "Hires upscale": ("upscale_factor", _real),
    "Hires resize-1": ("w", int),
    "Hires resize-2": ("h", int),
    "Hires steps": ("num_steps", int),
    "Hires CFG Scale": ("guidance_scale", _real),
    "Hires prompt": ("text", str),
    "Hires negative prompt": ("negative_prompt", str),
}
MASK: Mapping[str, tuple[str, Convert]] = {
    "Mask mode": ("inpainting_mask_invert", lambda value: value == "Inpaint not masked"),
    "Masked content": ("masked_content", {label: name for name, label in MASKED_CONTENTS.items()}.__getitem__),
    "Inpaint area": ("inpainting_mode", lambda value: "masked" if value == "Only masked" else "normal"),
    "Masked area padding": ("inpainting_mask_padding", int),
    "Mask blur": ("keep_original_num_fade_pixels", lambda value: FADE_PER_BLUR * int(value)),
}
PICTURE: Mapping[str, tuple[str, Convert]] = {
    "Resize mode": ("resize_mode", {label: name for name, label in RESIZE_MODES.items()}.get),
    "Noise multiplier": ("noise_multiplier", _real),
}
WITHOUT_EFFECT = ("Version", "Size", "Seed resize from", "Hires resize", "Model hash", "VAE hash", "Lora hashes")
"""They repeat other settings, or are about the program that wrote them."""
USUAL_MAX_WH, MAX_FACTOR = 1024, 4.0


def read_web_ui(text: str, catalog: Catalog) -> FoundSettings:
    """The settings that are in the text; those of an unknown name or value are not understood."""
    left = read_infotext(text)
    found = FoundSettings()
    found.params = _take(PARAMS, left, found)
    _take_models(left, catalog, found)
    _take_sampling(left, found)
    width, height = (int(left.pop(f"Size-{part}", "0")[:9]) for part in (1, 2))
    strength = _take({"Denoising strength": ("", _real)}, left, found).get("")
    if any(name.startswith("Hires ") for name in left):
        found.params["highres_info"] = _second_pass(left, strength, (width, height), catalog, found)
    elif strength is not None:
        found.params["fidelity"] = round(1 - strength, 6)
        found.type = "img2img.sd"
    if mask := _take(MASK, left, found):
        found.type = "txt2img.sd.inpainting"
        found.params |= mask
    if width and height:
        found.params |= _size(found.type, found.params, width, height)
    if found.type != "txt2img.sd":
        found.params |= {name: value for name, value in _take(PICTURE, left, found).items() if value}
    for name in WITHOUT_EFFECT:
        left.pop(name, None)
    for name, value in left.items():
        found.refuse(name, value)
    return found


def _take(table: Mapping[str, tuple[str, Convert]], left: dict[str, str], found: FoundSettings) -> dict[str, Any]:
    """The params of a table; their settings are taken out of `left`."""
    params = {}
    for name, (param, convert) in table.items():
        if not (value := left.pop(name, "")):
            continue
        try:
            params[param] = convert(value)
        except (ValueError, KeyError):
            found.refuse(name, value)
    return params


def _take_models(left: dict[str, str], catalog: Catalog, found: FoundSettings) -> None:
    model, vae = left.pop("Model", ""), left.pop("VAE", "")
    if name := name_of_model(catalog, CHECKPOINT_FAMILIES, model, left.get("Model hash", "")):
        found.params["model"] = name
    elif model:
        found.refuse("Model", model)
    if name := name_of_model(catalog, families_of(VAE), vae):
        found.params["vae"] = name
    elif vae and vae.lower() not in ("none", "automatic"):
        found.refuse("VAE", vae)


def _take_sampling(left: dict[str, str], found: FoundSettings) -> None:
    sampler, schedule = left.pop("Sampler", ""), left.pop("Schedule type", "")
    if not sampler:
        return
    try:
        found.params |= sampling_params(sampler, schedule)
    except InvalidParamsError as error:
        if error.field != "scheduler":
            found.refuse("Sampler", sampler)
            return
        found.refuse("Schedule type", schedule)
        found.params |= sampling_params(sampler, "")


def _second_pass(
    left: dict[str, str], strength: float | None, size: tuple[int, int], catalog: Catalog, found: FoundSettings
) -> dict[str, Any]:
    highres = _take(SECOND_PASS, left, found)
    if strength is not None:
        highres["fidelity"] = min(round(1 - strength, 6), 0.99)
    side = max(
        highres.get("w", 0), highres.get("h", 0), int(max(size) * min(highres.get("upscale_factor", 2.0), MAX_FACTOR))
    )
    if side > USUAL_MAX_WH:
        highres["max_wh"] = side
    model = left.pop("Hires checkpoint", "")
    if name := name_of_model(catalog, CHECKPOINT_FAMILIES, model):
        highres["model"] = name
    elif model:
        found.refuse("Hires checkpoint", model)
    upscaler = left.pop("Hires upscaler", "")
    if method := LATENT_METHODS.get(upscaler.lower()):
        highres["upscale_method"] = method
    elif name := name_of_model(catalog, families_of(UPSCALER), upscaler):
        highres["upscaler"] = name
    else:
        found.refuse("Hires upscaler", upscaler)
    sampler, schedule = left.pop("Hires sampler", ""), left.pop("Hires schedule type", "")
    try:
        first = found.params.get("sampler", "")
        highres |= second_sampling_params(sampler, schedule, first, found.params.get("sigmas", ""))
    except InvalidParamsError:
        found.refuse("Hires sampler", sampler + " " + schedule)
    return highres


def _size(task_type: str, params: Mapping[str, Any], width: int, height: int) -> dict[str, Any]:
    sizes: dict[str, Any] = {"max_wh": max(width, height)} if max(width, height) > USUAL_MAX_WH else {}
    if task_type == "txt2img.sd":
        return sizes | {"w": width, "h": height}
    if params.get("inpainting_mode") == "masked":
        return sizes | {"inpainting_target_wh": (width, height)}
    return sizes | {"wh": (width, height)}
