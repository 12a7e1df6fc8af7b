"""Translates requests for images into tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pipelines
from models.catalog.catalog import Catalog
from models.catalog.style import Style
from server.api.dialects.image_prompts import image_prompt, require_ip_adapter
from server.api.dialects.model_names import has_captioner
from server.api.dialects.openai.inputs import InputPicture, SentPictures
from server.api.dialects.openai.own_params import own_params
from server.api.dialects.openai.plan import Plan
from server.api.dialects.openai.request import (
    EditRequest,
    GenerationRequest,
    ImageRequest,
    Size,
    VariationRequest,
)
from server.api.models.openai_names import find_model
from server.tasks.submission import InvalidParamsError

STEPS = {"low": 12, "medium": 20, "high": 32, "xhigh": 40, "max": 50, "standard": 20, "hd": 32}
"""Denoising steps by quality; `auto` leaves them to the default of the task."""
WITHOUT_EFFECT = ("", "vivid", "natural")
"""Values of `style` that mean nothing here, unless the operator lists a style with this id."""
EDIT_FIDELITY = {"low": 0.2, "high": 0.5}
MASKED_FIDELITY = {"low": 0.0, "high": 0.3}
VARIATION_FIDELITY = 0.5
FADE_PIXELS = 8
"""Around the mask, so that its edge does not show."""
LARGEST_SIDE = 1024
"""The `max_wh` of tasks that do not set it."""


def plan_generation(request: GenerationRequest, catalog: Catalog) -> Plan:
    """Raises InvalidParamsError, UnknownModelError."""
    params = _painting_params(request, request.prompt, "txt2img.sd", catalog)
    if (size := request.pixel_size) is not None:
        width, height = (max((side + 4) // 8 * 8, 64) for side in size)
        params |= {"w": width, "h": height, "max_wh": max(width, height, LARGEST_SIDE)}
    return Plan("txt2img.sd", params, request.background == "transparent")


def plan_edit(request: EditRequest, sent: SentPictures, catalog: Catalog) -> Plan:
    """Raises InvalidParamsError, UnknownModelError."""
    picture, mask = sent.pictures[0], sent.mask
    if mask is not None:
        task_type, changes = "txt2img.sd.inpainting", _masked(request, mask, picture)
    elif request.model.lower().endswith("dall-e-2") and picture.has_alpha:
        task_type, changes = "txt2img.sd.outpainting", _filled(request, picture)
    else:
        task_type, changes = "img2img.sd", {"fidelity": EDIT_FIDELITY[request.input_fidelity]}
        changes |= {"keep_alpha": request.background != "opaque"} | _size_params(request.pixel_size)
    params = {**changes, "url": picture.reference, **_painting_params(request, request.prompt, task_type, catalog)}
    params |= _image_prompt(sent.pictures[1:], str(params["model"]), catalog)
    return Plan(task_type, params, request.background == "transparent")


def plan_variation(request: VariationRequest, sent: SentPictures, catalog: Catalog) -> Plan:
    """Raises InvalidParamsError, UnknownModelError."""
    changes = {"fidelity": VARIATION_FIDELITY, "auto_prompt": has_captioner(catalog), "url": sent.pictures[0].reference}
    changes |= _size_params(request.pixel_size)
    params = {**changes, **_painting_params(request, "", "img2img.sd", catalog)}
    return Plan("img2img.sd", params, request.background == "transparent")


def _masked(request: EditRequest, mask: InputPicture, picture: InputPicture) -> dict[str, Any]:
    """The params that repaint a picture where the mask is transparent. Raises InvalidParamsError."""
    if mask.has_alpha is False:
        raise InvalidParamsError(
            "mask has no transparency, so it marks nothing; make the pixels that are to be painted transparent", "mask"
        )
    if mask.size and picture.size and mask.size != picture.size:
        raise InvalidParamsError(
            f"mask is {mask.size[0]}x{mask.size[1]}, but image is {picture.size[0]}x{picture.size[1]}; "
            "send a mask of the same size",
            "mask",
        )
    return {
        "mask_url": mask.reference,
        "inpainting_mask_invert": True,
        "inpainting_mask_source": "alpha",
        "keep_original": True,
        "keep_original_num_fade_pixels": FADE_PIXELS,
        "fidelity": MASKED_FIDELITY[request.input_fidelity],
        **_size_params(request.pixel_size),
    }


def _filled(request: EditRequest, picture: InputPicture) -> dict[str, Any]:
    """The params that paint the transparent parts of a picture. Raises InvalidParamsError."""
    if request.pixel_size not in (None, picture.size):
        raise InvalidParamsError("size must be that of the picture, or auto; or send the transparency as mask", "size")
    return {"keep_original": True, "keep_original_num_fade_pixels": FADE_PIXELS}


def _painting_params(request: ImageRequest, prompt: str, task_type: str, catalog: Catalog) -> dict[str, Any]:
    """The params that do not depend on the pictures of the request."""
    own, style = own_params(request, pipelines.find(task_type)), _style(request.style, catalog)
    params = {**style.params, "model": find_model(catalog, request.model or style.model).name}
    if request.quality in STEPS:
        params["num_steps"] = STEPS[request.quality]
    params |= own
    params["text"] = style.full_prompt(prompt)
    params["negative_prompt"] = style.full_negative_prompt(str(own.get("negative_prompt", "")))
    if style.loras:
        params["lora_scales"] = {**style.loras, **params.get("lora_scales", {})}
    return params


def _style(name: str, catalog: Catalog) -> Style:
    if name in catalog.styles:
        return catalog.styles[name]
    if name not in WITHOUT_EFFECT:
        names = ", ".join(catalog.styles) or "the operator has listed none"
        raise InvalidParamsError(f"there is no style {name!r}; there are: {names}", "style")
    return Style(id="none")


def _image_prompt(others: Sequence[InputPicture], model: str, catalog: Catalog) -> dict[str, Any]:
    """Further pictures act as a prompt."""
    if not others:
        return {}
    require_ip_adapter(catalog, model, "image")
    return image_prompt([picture.reference for picture in others], "image")


def _size_params(size: Size | None) -> dict[str, Any]:
    """The picture is scaled and cropped to the size of the request."""
    return {} if size is None else {"wh": size, "resize_mode": "cover", "max_wh": max(*size, LARGEST_SIDE)}
