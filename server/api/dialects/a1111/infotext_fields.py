"""The fields of a request that an infotext sets, as the web UI reads it for its field `infotext`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from server.images.infotext import MASKED_CONTENTS, RESIZE_MODES
from server.images.infotext_reader import NEGATIVE_NAME, PROMPT_NAME, read_infotext

FIELDS: Mapping[str, str] = {
    PROMPT_NAME: "prompt",
    NEGATIVE_NAME: "negative_prompt",
    "Steps": "steps",
    "Sampler": "sampler_name",
    "Schedule type": "scheduler",
    "CFG scale": "cfg_scale",
    "Seed": "seed",
    "Size-1": "width",
    "Size-2": "height",
    "Denoising strength": "denoising_strength",
    "Variation seed": "subseed",
    "Variation seed strength": "subseed_strength",
    "Seed resize from-1": "seed_resize_from_w",
    "Seed resize from-2": "seed_resize_from_h",
    "Tiling": "tiling",
    "Hires upscale": "hr_scale",
    "Hires resize-1": "hr_resize_x",
    "Hires resize-2": "hr_resize_y",
    "Hires upscaler": "hr_upscaler",
    "Hires steps": "hr_second_pass_steps",
    "Hires checkpoint": "hr_checkpoint_name",
    "Hires sampler": "hr_sampler_name",
    "Hires schedule type": "hr_scheduler",
    "Hires CFG Scale": "hr_cfg",
    "Hires prompt": "hr_prompt",
    "Hires negative prompt": "hr_negative_prompt",
    "Masked area padding": "inpaint_full_res_padding",
    "Mask blur": "mask_blur",
    "Noise multiplier": "initial_noise_multiplier",
    "Refiner": "refiner_checkpoint",
}
CHOICES: Mapping[str, tuple[str, Sequence[str]]] = {
    "Resize mode": ("resize_mode", ("Just resize", *RESIZE_MODES.values())),
    "Masked content": ("inpainting_fill", tuple(MASKED_CONTENTS.values())),
    "Mask mode": ("inpainting_mask_invert", ("Inpaint masked", "Inpaint not masked")),
    "Inpaint area": ("inpaint_full_res", ("Whole picture", "Only masked")),
}
"""Fields whose value is the place of a label."""
OPTIONS: Mapping[str, tuple[str, Any]] = {
    "Model": ("sd_model_checkpoint", None),
    "VAE": ("sd_vae", "Automatic"),
    "Clip skip": ("CLIP_stop_at_last_layers", 1),
}
"""Options, and the value of one that the infotext does not name; None: it stays as it is."""


def read_fields(infotext: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Fields, and options for `override_settings`; neither for an empty infotext."""
    if not infotext.strip():
        return {}, {}
    found = read_infotext(infotext)
    fields = {field: found[name] for name, field in FIELDS.items() if name in found}
    for name, (field, labels) in CHOICES.items():
        if found.get(name) in labels:
            fields[field] = labels.index(found[name])
    if any(name in found for name in ("Hires upscale", "Hires upscaler", "Hires resize")):
        fields["enable_hr"] = True
    options = {option: found.get(name, default) for name, (option, default) in OPTIONS.items()}
    return fields, {name: value for name, value in options.items() if value is not None}
