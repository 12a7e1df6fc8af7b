"""The params of a painting that txt2img and img2img have in common."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from models.catalog.catalog import Catalog
from models.catalog.style import Style
from pipelines.params.limits import SEEDS
from server.api.dialects.a1111.options import CHECKPOINT, clip_skip, find_checkpoint, vae_of
from server.api.dialects.a1111.request import GenerationRequest
from server.api.dialects.a1111.samplers import sampling_params
from server.tasks.submission import InvalidParamsError

NONE = ("", "none")
NOT_OFFERED: Mapping[str, tuple[str, str]] = {
    "s_churn": ("s_churn", "send 0"),
    "refiner_checkpoint": ("a refiner", "leave it out"),
    "script_name": ("scripts", "leave script_name out"),
    "s_min_uncond": ("s_min_uncond", "send 0"),
    "disable_extra_networks": ("disable_extra_networks", "leave <lora:…> out of the prompt"),
    "latent_mask": ("latent_mask", "send it as `mask`"),
}
"""Fields that may have no other value than their default: what they ask for, and what to do in place of it."""


def common_params(request: GenerationRequest, options: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """`options` are those of the caller with `override_settings`. Raises InvalidParamsError."""
    _refuse_what_is_not_offered(request)
    styles = _styles(request.styles, catalog)
    prompt, negative = request.prompt, request.negative_prompt
    loras: dict[str, float] = {}
    for style in styles:
        prompt, negative = style.full_prompt(prompt), style.full_negative_prompt(negative)
        loras |= style.loras
    width, height = request.size
    params: dict[str, Any] = {
        "text": prompt,
        "negative_prompt": negative,
        "model": find_checkpoint(catalog, str(options.get(CHECKPOINT) or "")).name,
        "num_steps": request.steps,
        "guidance_scale": request.cfg_scale,
        "max_wh": max(width, height),
        "use_circular": request.tiling,
        **sampling_params(request.sampler, request.scheduler),
        **_seeds(request),
        **({"lora_scales": loras} if loras else {}),
    }
    if (skipped := clip_skip(options)) > 0:
        params["clip_skip"] = skipped
    if vae := vae_of(options, catalog):
        params["vae"] = vae
    return params


def of_image(params: Mapping[str, Any], index: int) -> dict[str, Any]:
    """The params of one image: with a variation the seed stays, and that of the variation counts up; else the seed."""
    counted = "variation_seed" if params.get("variation_strength") else "seed"
    return {**params, counted: (params[counted] + index) % SEEDS}


def _seeds(request: GenerationRequest) -> dict[str, Any]:
    seeds: dict[str, Any] = {"seed": _seed(request.seed)}
    if request.subseed_strength:
        seeds |= {"variation_seed": _seed(request.subseed), "variation_strength": request.subseed_strength}
    if request.seed_resize_from_w > 0 and request.seed_resize_from_h > 0:
        seeds |= {"seed_resize_w": request.seed_resize_from_w, "seed_resize_h": request.seed_resize_from_h}
    return seeds


def _seed(seed: int) -> int:
    """Drawn here if it is random, because the images of one request count up from it."""
    return secrets.randbelow(SEEDS) if seed == -1 else seed % SEEDS


def _styles(names: list[str], catalog: Catalog) -> list[Style]:
    chosen = {name: catalog.find_style(name) for name in names if name and name.lower() not in NONE}
    for name, style in chosen.items():
        if style is None:
            known = ", ".join(catalog.style_names)
            raise InvalidParamsError(f"there is no style {name!r}; there are: {known or 'none yet'}", "styles")
    return [style for style in chosen.values() if style is not None]


def _refuse_what_is_not_offered(request: GenerationRequest) -> None:
    fields = type(request).model_fields
    for name, (what, advice) in ((name, NOT_OFFERED[name]) for name in NOT_OFFERED if name in fields):
        value = getattr(request, name)
        if value != fields[name].default and str(value).lower() not in NONE:
            raise InvalidParamsError(f"this server does not offer {what}; {advice}", name)
