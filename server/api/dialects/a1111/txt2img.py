"""What a request for txt2img is here: a task of text to image, or one that follows control maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.catalog.catalog import Catalog
from server.api.dialects.a1111.common_params import common_params
from server.api.dialects.a1111.controlnet.units import guides
from server.api.dialects.a1111.options import find_checkpoint
from server.api.dialects.a1111.painting import Painting
from server.api.dialects.a1111.request import Txt2ImgRequest
from server.api.dialects.a1111.samplers import second_sampling_params
from server.api.dialects.a1111.scripts import units_of
from server.tasks.submission import InvalidParamsError

LATENT_METHODS = {
    "": "bilinear",
    "latent": "bilinear",
    "latent (antialiased)": "bilinear",
    "latent (bicubic)": "bicubic",
    "latent (bicubic antialiased)": "bicubic",
    "latent (nearest)": "nearest",
    "latent (nearest-exact)": "nearest-exact",
    "latent (area)": "area",
    "none": "lanczos",
    "lanczos": "lanczos",
}
"""`upscale_method` by the name of an upscaler that is no model."""
SAME_CHECKPOINT = ("", "none", "use same checkpoint")


def plan_txt2img(request: Txt2ImgRequest, options: Mapping[str, Any], catalog: Catalog) -> Painting:
    """Raises InvalidParamsError."""
    params = common_params(request, options, catalog)
    found = guides(units_of(request.alwayson_scripts), catalog, request.size)
    params |= found.params
    if request.enable_hr:
        params["highres_info"] = _second_pass(request, catalog)
    elif request.firstpass_image:
        raise InvalidParamsError("firstpass_image is refined by enable_hr; set it, or send img2img", "firstpass_image")
    if found.controls:
        params |= {"wh": _first_size(request), "controls": list(found.controls)}
        return Painting("control_new.multi", params, shows_maps=found.shows_maps)
    return Painting("txt2img.sd", params | dict(zip(("w", "h"), _first_size(request), strict=True)))


def _first_size(request: Txt2ImgRequest) -> tuple[int, int]:
    """Older clients send that of a second pass as the size, and name that of the first one."""
    width, height = request.firstphase_width, request.firstphase_height
    if not request.enable_hr or width <= 0 or height <= 0:
        return request.size
    return max(width // 8 * 8, 64), max(height // 8 * 8, 64)


def _second_pass(request: Txt2ImgRequest, catalog: Catalog) -> dict[str, Any]:
    name = request.hr_checkpoint_name.strip()
    model = None if name.lower() in SAME_CHECKPOINT else find_checkpoint(catalog, name, "hr_checkpoint_name").name
    fidelity = round(1 - request.denoising_strength, 6)
    size = _second_size(request)
    upscaler = request.hr_upscaler.strip()
    method = LATENT_METHODS.get(upscaler.lower())
    return {
        "fidelity": min(fidelity, 0.99),
        "w": size[0],
        "h": size[1],
        "max_wh": max(size),
        **({"first_url": request.firstpass_image} if request.firstpass_image else {}),
        **({"upscaler": upscaler} if method is None else {"upscale_method": method}),
        **({} if model is None else {"model": model}),
        **({"num_steps": request.hr_second_pass_steps} if request.hr_second_pass_steps else {}),
        **second_sampling_params(request.hr_sampler_name, request.hr_scheduler, request.sampler, request.scheduler),
        **({} if request.hr_cfg is None else {"guidance_scale": request.hr_cfg}),
        **({"text": request.hr_prompt} if request.hr_prompt else {}),
        **({"negative_prompt": request.hr_negative_prompt} if request.hr_negative_prompt else {}),
    }


def _second_size(request: Txt2ImgRequest) -> tuple[int, int]:
    """hr_resize_x and hr_resize_y, of which one may follow from the other; else the size times hr_scale."""
    (width, height), x, y = request.size, request.hr_resize_x, request.hr_resize_y
    if request.firstphase_width > 0 and request.firstphase_height > 0:
        return width, height
    if x <= 0 and y <= 0:
        scale = request.hr_scale
        x, y = int(width * scale), int(height * scale)
    elif y <= 0:
        y = round(x * height / width)
    elif x <= 0:
        x = round(y * width / height)
    return max(x // 8 * 8, 64), max(y // 8 * 8, 64)
