"""Translates a request into the task that paints; what comes before and after it is in `workflow.py`."""

from __future__ import annotations

from typing import Any

import pipelines
from models.catalog.catalog import Catalog
from models.catalog.style import Style
from pipelines.sampler_names import canonical, max_steps_of
from server.api.dialects.chuzhan.controls import controls
from server.api.dialects.chuzhan.options import details_lora
from server.api.dialects.chuzhan.request import DEFAULT_DETAILS, MAX_SIDE, DrawRequest
from server.api.dialects.image_prompts import face_prompt
from server.tasks.submission import InvalidParamsError

PICTURE_STRENGTH, MASKED_STRENGTH, BACKGROUND_STRENGTH, SECOND_PASS_STRENGTH = 0.55, 1.0, 0.75, 0.7
"""How much is repainted if `denoisingStrength` is not set."""
LEAST_STRENGTH = 0.02
"""Less of a second pass, or under a mask, would need more steps than a sampler takes."""
FADE_PIXELS = 8
"""Around a mask, so that its edge does not show."""


def painting(request: DrawRequest, catalog: Catalog) -> tuple[str, dict[str, Any]]:
    """The task type and its params, without the mask. Raises InvalidParamsError, UnknownModelError."""
    _refuse_not_offered(request)
    style, task_type = style_of(request, catalog), _task_type(request)
    names = pipelines.find(task_type).Params.model_fields
    params = {name: value for name, value in style.params.items() if name in names}
    params |= _prompt(request, style, catalog) | _size(request, style, task_type)
    if request.source is not None:
        params |= {"url": request.source, "fidelity": _fidelity(request)}
    if has_mask(request):
        params |= {"inpainting_mask_invert": True, "keep_original": True, "keep_original_num_fade_pixels": FADE_PIXELS}
    if request.controlnet.units:
        params |= {"controls": controls(request, catalog), "use_audit": True, "use_inpainting": has_mask(request)}
    for param, is_set in (
        ("auto_prompt", request.img_options.prompt_detect),
        ("auto_gender", request.img_options.gender_detect),
    ):
        if is_set:
            params[param] = True
    if portrait := _portrait(request):
        params |= _face(request, catalog, params["model"], portrait)
    return task_type, params


def _portrait(request: DrawRequest) -> str | None:
    """The picture whose faces are kept."""
    options = request.img_options
    return options.img or request.img if options.face_preservation else None


def _face(request: DrawRequest, catalog: Catalog, model: str, picture: str) -> dict[str, Any]:
    """The param that has the faces of the picture act as a prompt. Raises InvalidParamsError."""
    prompt = face_prompt(catalog, model, picture, "imgOptions.facePreservation")
    return {name: {**info, "faces": request.img_options.face_preservation_count} for name, info in prompt.items()}


def has_mask(request: DrawRequest) -> bool:
    """Whether only a part of the picture is painted."""
    return request.mask_img is not None or request.img_options.redraw_background


def style_of(request: DrawRequest, catalog: Catalog) -> Style:
    """The style of the operator's table; without a table, each id is the default model. Raises InvalidParamsError."""
    name = request.model_style_id
    if not catalog.styles:
        return Style(id=name)
    if name not in catalog.styles:
        known = ", ".join(f"{style.id} {style.title}".strip() for style in catalog.styles.values())
        raise InvalidParamsError(f"there is no style {name!r}; there are: {known}", "modelStyleId")
    return catalog.styles[name]


def _refuse_not_offered(request: DrawRequest) -> None:
    """Raises InvalidParamsError for what this server has no model for, and for options that exclude each other."""
    options = request.img_options
    refused = {
        "imgOptions.facePreservation": (
            options.face_preservation and _portrait(request) is None,
            "needs a picture; add img, or img to imgOptions",
        ),
        **{
            f"imgOptions.{name}": (
                is_set and _task_type(request) != "img2img.sd",
                "needs img, without maskImg, redrawBackground and controlnet; describe the picture in prompt",
            )
            for name, is_set in (("promptDetect", options.prompt_detect), ("genderDetect", options.gender_detect))
        },
        "imgOptions.redrawBackground": (
            options.redraw_background and request.source is None,
            "needs a picture; add img, or img to imgOptions",
        ),
        "maskImg": (
            request.mask_img is not None and options.redraw_background,
            "and imgOptions.redrawBackground exclude each other; send one of them",
        ),
        "hrScale": (
            request.second_pass_scale > 1 and bool(request.controlnet.units),
            "is not offered together with controlnet; use upscale",
        ),
    }
    if request.mask_img is not None and request.img is None:
        raise InvalidParamsError("maskImg marks what to repaint in img, but img is missing; add it", "img")
    for name, (is_set, reason) in refused.items():
        if is_set:
            raise InvalidParamsError(f"{name} {reason}", name)


def _task_type(request: DrawRequest) -> str:
    if request.controlnet.units:
        return "control_new.multi"
    if request.source is None:
        return "txt2img.sd"
    return "txt2img.sd.inpainting" if has_mask(request) else "img2img.sd"


def _prompt(request: DrawRequest, style: Style, catalog: Catalog) -> dict[str, Any]:
    params: dict[str, Any] = {
        "text": style.full_prompt(request.prompt),
        "negative_prompt": style.full_negative_prompt(request.negative_prompt),
        "model": catalog.find(style.model).name,
        "seed": max(request.seed, -1),
        "num_samples": request.batch_size,
        "use_circular": request.tiling,
    }
    if request.steps is not None:
        params["num_steps"] = request.steps
    if request.cfg_scale is not None:
        params["guidance_scale"] = request.cfg_scale
    if loras := {**style.loras, **_details(request, catalog)}:
        params["lora_scales"] = loras
    return params


def _details(request: DrawRequest, catalog: Catalog) -> dict[str, float]:
    """The scale of the LoRA for details, -1 to 1."""
    entry = details_lora(catalog)
    if request.details_level == DEFAULT_DETAILS or entry is None:
        return {}
    return {entry.name: (request.details_level - DEFAULT_DETAILS) / 4}


def _size(request: DrawRequest, style: Style, task_type: str) -> dict[str, Any]:
    """The size of the painting. A picture whose size is not set keeps its own."""
    width, height = request.size
    if task_type == "txt2img.sd":
        size = {"w": width, "h": height, "max_wh": MAX_SIDE}
        return size if request.second_pass_scale == 1 else {**size, "highres_info": _second_pass(request, style)}
    keeps_size = request.source is not None and not request.has_size
    return {"max_wh": MAX_SIDE} | ({} if keeps_size else {"wh": (width, height), "resize_mode": "cover"})


def _second_pass(request: DrawRequest, style: Style) -> dict[str, Any]:
    """`hrSteps` of it run, or as many as the sampler can take."""
    strength = _strength(request, SECOND_PASS_STRENGTH)
    sampler, _ = canonical(str(style.params.get("sampler", "euler")))
    return {
        "upscale_factor": request.second_pass_scale,
        "max_wh": MAX_SIDE,
        "fidelity": round(1 - strength, 6),
        "num_steps": max(min(request.hr_steps, int(max_steps_of(sampler) * strength)), 1),
    }


def _fidelity(request: DrawRequest) -> float:
    options = request.img_options
    if options.redraw_background:
        from_noise = options.remove_background or not options.redraw_background_from_origin
        return 0.0 if from_noise else round(1 - _strength(request, BACKGROUND_STRENGTH), 6)
    if request.mask_img is not None:
        return round(1 - _strength(request, MASKED_STRENGTH), 6)
    if request.controlnet.units:
        return round(1 - _strength(request, PICTURE_STRENGTH), 6)
    strength = PICTURE_STRENGTH if request.denoising_strength is None else request.denoising_strength
    return round(1 - strength, 6)


def _strength(request: DrawRequest, default: float) -> float:
    return max(default if request.denoising_strength is None else request.denoising_strength, LEAST_STRENGTH)
