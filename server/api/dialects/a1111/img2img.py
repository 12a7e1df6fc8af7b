"""What a request for img2img is here: image to image, inpainting, or either with control maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.catalog.catalog import Catalog
from server.api.dialects.a1111.common_params import common_params
from server.api.dialects.a1111.controlnet.units import guides
from server.api.dialects.a1111.painting import Painting
from server.api.dialects.a1111.request import Img2ImgRequest
from server.api.dialects.a1111.scripts import units_of
from server.images.infotext import FADE_PER_BLUR
from server.tasks.submission import InvalidParamsError

RESIZE_MODES = {0: "fill", 1: "cover", 2: "pad", 3: "latent"}
MASKED_CONTENT = {0: "fill", 1: "original", 2: "noise", 3: "nothing"}
MAX_FADE, MAX_FIDELITY = 1024, 0.99


def plan_img2img(request: Img2ImgRequest, options: Mapping[str, Any], catalog: Catalog) -> Painting:
    """Raises InvalidParamsError."""
    pictures = tuple(str(image) for image in request.init_images if image)
    if not pictures:
        raise InvalidParamsError("init_images is empty; send the picture in base64", "init_images")
    params = common_params(request, options, catalog)
    fidelity = round(1 - request.denoising_strength, 6)
    found = guides(units_of(request.alwayson_scripts), catalog, request.size, pictures[0])
    params |= found.params
    params["noise_multiplier"] = request.initial_noise_multiplier
    if request.mask:
        params |= {"fidelity": min(fidelity, MAX_FIDELITY), "mask_url": request.mask, **_mask_params(request)}
    else:
        params |= {"fidelity": fidelity, **_at_size(request)}
    if found.controls:
        params |= {"fidelity": min(fidelity, MAX_FIDELITY), "controls": list(found.controls)}
        return Painting("control_new.multi", params, pictures, shows_maps=found.shows_maps)
    if request.mask:
        return Painting("txt2img.sd.inpainting", params, pictures)
    return Painting("img2img.sd", {**params, "keep_alpha": False}, pictures)


def _at_size(request: Img2ImgRequest) -> dict[str, Any]:
    return {"wh": request.size, "resize_mode": RESIZE_MODES[request.resize_mode]}


def _mask_params(request: Img2ImgRequest) -> dict[str, Any]:
    blur = max(request.mask_blur_x, request.mask_blur_y) if request.mask_blur is None else request.mask_blur
    common = {
        "use_raw_inpainting": True,
        "inpainting_mask_invert": bool(request.inpainting_mask_invert),
        "masked_content": MASKED_CONTENT[request.inpainting_fill],
        "keep_original_num_fade_pixels": min(FADE_PER_BLUR * blur, MAX_FADE),
    }
    if request.inpaint_full_res:
        padding = request.inpaint_full_res_padding
        size = {"inpainting_mode": "masked", "inpainting_mask_padding": padding, "inpainting_target_wh": request.size}
        return common | size
    return common | {"keep_original": True, **_at_size(request)}
