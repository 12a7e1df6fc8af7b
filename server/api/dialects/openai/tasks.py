"""Translates requests for images into tasks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pipelines
from models.catalog.catalog import Catalog, UnknownModelError
from models.catalog.style import Style
from models.kinds.ip_adapter import IP_ADAPTER
from models.kinds.kind import ModelRef
from pipelines.img2img import DEFAULT_CAPTIONER_REF
from server.api.dialects.openai.inputs import InputPicture, SentPictures
from server.api.dialects.openai.own_params import own_params
from server.api.dialects.openai.request import (
    EditRequest,
    GenerationRequest,
    ImageRequest,
    VariationRequest,
)
from server.api.dialects.openai.workflow import Plan
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
    return Plan("txt2img.sd", params, cuts_out=request.background == "transparent")


def plan_edit(request: EditRequest, sent: SentPictures, catalog: Catalog) -> Plan:
    """Raises InvalidParamsError, UnknownModelError."""
    picture, mask = sent.pictures[0], sent.mask
    if mask is not None:
        _check_mask(mask, picture)
        changes: dict[str, Any] = {
            "inpainting_mask_invert": True,
            "keep_original": True,
            "keep_original_num_fade_pixels": FADE_PIXELS,
            "fidelity": MASKED_FIDELITY[request.input_fidelity],
        }
        task_type = "txt2img.sd.inpainting"
    elif request.model.lower().endswith("dall-e-2") and picture.has_alpha:
        task_type, changes = "txt2img.sd.outpainting", {"keep_original": True}
    else:
        task_type, changes = "img2img.sd", {"fidelity": EDIT_FIDELITY[request.input_fidelity]}
    if request.background == "opaque" and task_type == "img2img.sd":
        changes["keep_alpha"] = False
    params = {**changes, **_painting_params(request, request.prompt, task_type, catalog)}
    params |= _image_prompt(sent.pictures[1:], str(params["model"]), catalog)
    return _plan_with_pictures(request, task_type, params, picture, mask)


def plan_variation(request: VariationRequest, sent: SentPictures, catalog: Catalog) -> Plan:
    """Raises InvalidParamsError, UnknownModelError."""
    changes: dict[str, Any] = {"fidelity": VARIATION_FIDELITY, "auto_prompt": _can_caption(catalog)}
    params = {**changes, **_painting_params(request, "", "img2img.sd", catalog)}
    return _plan_with_pictures(request, "img2img.sd", params, sent.pictures[0], None)


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


def _check_mask(mask: InputPicture, picture: InputPicture) -> None:
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


def _image_prompt(others: Sequence[InputPicture], model: str, catalog: Catalog) -> dict[str, Any]:
    """A second picture acts as an image prompt."""
    if not others:
        return {}
    if len(others) > 1:
        raise InvalidParamsError(
            f"{len(others) + 1} images are too many; send the image to change, and at most one that it shall follow",
            "image",
        )
    try:
        catalog.find(ModelRef(IP_ADAPTER, base=model))
    except UnknownModelError as error:
        raise InvalidParamsError(f"a second image needs an IP-Adapter, but {error}", "image") from error
    return {"ip_adapter": {"url": others[0].reference}}


def _can_caption(catalog: Catalog) -> bool:
    try:
        catalog.find(DEFAULT_CAPTIONER_REF)
    except UnknownModelError:
        return False
    return True


def _plan_with_pictures(
    request: ImageRequest, task_type: str, params: dict[str, Any], picture: InputPicture, mask: InputPicture | None
) -> Plan:
    """The pictures are scaled and cropped first if the request has another size."""
    pictures = {"url": picture.reference} | ({} if mask is None else {"mask_url": mask.reference})
    size = request.pixel_size
    cuts_out = request.background == "transparent"
    if size is None:
        return Plan(task_type, {**params, **pictures}, cuts_out=cuts_out)
    params = {**params, "max_wh": max(*size, LARGEST_SIDE)} | ({"wh": size} if task_type == "img2img.sd" else {})
    if picture.size == size:
        return Plan(task_type, {**params, **pictures}, cuts_out=cuts_out)
    return Plan(task_type, params, pictures, size, cuts_out)
