"""The one task of a request: the painting, and a workflow around it if something comes before or after it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from models.catalog.catalog import Catalog
from server.api.dialects.chuzhan.options import object_model
from server.api.dialects.chuzhan.painting import painting
from server.api.dialects.chuzhan.request import DrawRequest
from server.api.dialects.workflows import CUT_OUT, Node, object_mask, painting_task
from server.tasks.submission import InvalidParamsError

FILL, WHITE = "cv.fill_bg", 255
_HINT, _NODE = re.compile(r"controls\.(\d+)\.data\.hint_url$"), re.compile(r"nodes\.(\d+)\.data\.url$")


def task_of(request: DrawRequest, catalog: Catalog) -> tuple[str, dict[str, Any]]:
    """Type and params of the task. Raises InvalidParamsError, UnknownModelError."""
    task_type, params = painting(request, catalog)
    return painting_task(task_type, params, before=_mask(request, catalog), after=_finishing(request, catalog))


def sent_name(field: str, params: Mapping[str, Any]) -> str:
    """The name that the request has for a picture of its task, by the path of the picture in `params`."""
    if unit := _HINT.search(field):
        return f"controlnet.units.{unit[1]}.image"
    if node := _NODE.match(field):
        return "maskImg" if params["nodes"][int(node[1])]["endpoint"] == FILL else "img"
    return {"url": "img"}.get(field, field)


def _mask(request: DrawRequest, catalog: Catalog) -> dict[str, Node]:
    """The node that makes the mask, whose dark pixels are painted."""
    if request.img_options.redraw_background and request.source is not None:
        return {"mask_url": object_mask(request.source, **object_model(request, catalog))}
    if request.mask_img is not None:
        # A mask that is drawn on a transparent layer marks with its black pixels, too, and not with its opaque ones.
        fill = {"key": "mask", "endpoint": FILL, "data": {"url": request.mask_img, "bg": WHITE}}
        return {"mask_url": fill}
    return {}


def _finishing(request: DrawRequest, catalog: Catalog) -> list[Node]:
    """What is done to each painted image, as nodes without injections. Raises InvalidParamsError."""
    nodes: list[Node] = []
    if request.face_fix:
        nodes.append({"key": "faces", "endpoint": "img2img.face_fix", "data": {}})
    if request.upscale > 1:
        nodes.append({"key": "enlarge", "endpoint": "img2img.sr", "data": _enlargement(request)})
    if request.img_options.remove_background and not request.img_options.redraw_background:
        nodes.append({**CUT_OUT, "data": object_model(request, catalog)})
    return nodes


def _enlargement(request: DrawRequest) -> dict[str, Any]:
    if request.source is None or request.has_size:
        width, height = (round(side * request.second_pass_scale * request.upscale) for side in request.size)
        return {"target_w": width, "target_h": height}
    if not request.upscale.is_integer():
        raise InvalidParamsError(
            f"upscale {request.upscale:g} of a picture needs its size; add width and height, or send 2 or 3", "upscale"
        )
    return {"scale": int(request.upscale)}
