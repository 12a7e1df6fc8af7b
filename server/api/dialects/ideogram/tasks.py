"""The tasks of requests, from the params that all paintings share (`prompt_params`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from server.api.dialects.ideogram.painting import LARGEST_SIDE, Painting
from server.api.dialects.ideogram.request import Size
from server.api.dialects.workflows import CUT_OUT, Node, object_mask, painting_task
from server.tasks.input_images import Upload

LONGEST = 1536
"""The longest side that Ideogram paints. A larger picture is repainted at this size, and keeps its own."""
LEAST_STRENGTH = 0.05
"""At image_weight 100 the prompt still has an effect."""
KEEP_ORIGINAL = {"keep_original": True, "keep_original_num_fade_pixels": 8}
"""Pixels that are not painted stay as they are, except close to the edge, which would show."""
Params = Mapping[str, Any]


def generate(params: Params, size: Size) -> Painting:
    """Pictures from the prompt."""
    return Painting("txt2img.sd", {**params, **_size(size)})


def generate_transparent(params: Params, size: Size, scale: int) -> Painting:
    """Pictures of an object without background, each side `scale` times as long: 1, 2 or 4."""
    enlarge: list[Node] = [{"key": "enlarge", "endpoint": "img2img.sr", "data": {"scale": scale}}] if scale > 1 else []
    return Painting(*painting_task("txt2img.sd", {**params, **_size(size)}, after=[*enlarge, CUT_OUT]), scale)


def remix(params: Params, picture: Upload, size: Size, image_weight: int) -> Painting:
    """The picture, cropped to the size and repainted. A higher `weight`, 1 to 100, keeps more of it."""
    fidelity = round(min(image_weight / 100, 1 - LEAST_STRENGTH), 6)
    follow = {"url": picture.id, "fidelity": fidelity, "keep_alpha": False}
    at_size = {"wh": size, "resize_mode": "cover", "max_wh": max(*size, LARGEST_SIDE)}
    return Painting("img2img.sd", {**params, **follow, **at_size})


def edit(params: Params, picture: Upload, mask: Upload) -> Painting:
    """The picture, repainted where the mask is white."""
    where = {"url": picture.id, "mask_url": mask.id, "max_wh": _longest(picture)}
    return Painting("txt2img.sd.inpainting", {**params, **where, **KEEP_ORIGINAL})


def replace_background(params: Params, picture: Upload) -> Painting:
    """The main object of the picture before another background."""
    where = {"url": picture.id, "inpainting_mask_invert": True, "max_wh": _longest(picture)}
    mask = {"mask_url": object_mask(picture.id)}
    return Painting(*painting_task("txt2img.sd.inpainting", {**params, **where, **KEEP_ORIGINAL}, before=mask))


def reframe(params: Params, picture: Upload, size: Size, *, describes: bool = False) -> Painting:
    """The whole picture in the middle of the size, with the rest painted. One of this shape is only resized.

    `describes`: whether a captioner writes the prompt if there is none.
    """
    width, height = size
    scale = min(width / picture.width, height / picture.height)
    inner = tuple(max(min(round(side * scale), whole), 1) for side, whole in zip(_sides(picture), size, strict=True))
    resize = {"url": picture.id, "w": inner[0], "h": inner[1], "resampling": "lanczos"}
    if inner == size:
        return Painting("cv.resize", resize)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    padding = {"left": left, "right": width - inner[0] - left, "top": top, "bottom": height - inner[1] - top}
    whole = {**params, **padding, "inpainting_target_wh": size, "max_wh": max(*size, LARGEST_SIDE), **KEEP_ORIGINAL}
    before: dict[str, Node] = {"url": {"key": "fitted", "endpoint": "cv.resize", "data": resize}}
    if describes and not params["text"]:
        before["text"] = {"key": "caption", "endpoint": "img2txt.caption", "data": {"url": picture.id}}
        del whole["text"]
    return Painting(*painting_task("txt2img.sd.outpainting", whole, before=before))


def _size(size: Size) -> dict[str, Any]:
    return {"w": size[0], "h": size[1], "max_wh": max(*size, LARGEST_SIDE)}


def _sides(picture: Upload) -> Size:
    return picture.width, picture.height


def _longest(picture: Upload) -> int:
    return min(max(*_sides(picture), LARGEST_SIDE), LONGEST)
