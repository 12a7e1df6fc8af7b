"""The one task of a request: the painting, and a workflow around it if something comes before or after it."""

from __future__ import annotations

from typing import Any

from models.catalog.catalog import Catalog
from server.api.dialects.chuzhan.painting import painting
from server.api.dialects.chuzhan.request import DrawRequest
from server.tasks.submission import InvalidParamsError

PAINT, MASK, ENLARGE, CUT_OUT = "paint", "mask", "enlarge", "cut_out"
WHITE = 255
Node = dict[str, Any]


def task_of(request: DrawRequest, catalog: Catalog) -> tuple[str, dict[str, Any]]:
    """Type and params of the task. Raises InvalidParamsError, UnknownModelError."""
    task_type, params = painting(request, catalog)
    before, after = _mask(request), _finishing(request)
    if not before and not after:
        return task_type, params
    injections = {node["key"]: {"index": 0, "field": "mask_url"} for node in before}
    nodes = [*before, {"key": PAINT, "endpoint": task_type, "data": params, "injections": injections}]
    results = [PAINT]
    if after:
        chains = [_chain(after, sample) for sample in range(request.batch_size)]
        nodes += [node for chain in chains for node in chain]
        results = [chain[-1]["key"] for chain in chains]
    return "workflow", {"nodes": nodes, "target": results[0], "intermediate": results[1:] or None, "use_audit": True}


def _mask(request: DrawRequest) -> list[Node]:
    """The node that makes the mask, whose dark pixels are painted."""
    if request.img_options.redraw_background:
        data = {"url": request.source, "output": "alpha"}
        return [{"key": MASK, "endpoint": "img2img.sod", "data": data}]
    if request.mask_img is not None:
        # A mask that is drawn on a transparent layer marks with its black pixels, too, and not with its opaque ones.
        return [{"key": MASK, "endpoint": "cv.fill_bg", "data": {"url": request.mask_img, "bg": WHITE}}]
    return []


def _finishing(request: DrawRequest) -> list[Node]:
    """What is done to each painted image, as nodes without injections. Raises InvalidParamsError."""
    nodes: list[Node] = []
    if request.upscale > 1:
        nodes.append({"key": ENLARGE, "endpoint": "img2img.sr", "data": _enlargement(request)})
    if request.img_options.remove_background and not request.img_options.redraw_background:
        nodes.append({"key": CUT_OUT, "endpoint": "img2img.sod", "data": {}})
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


def _chain(nodes: list[Node], sample: int) -> list[Node]:
    """These nodes one after another, the first one for this image of the painting."""
    chain: list[Node] = []
    for node in nodes:
        source, index = (chain[-1]["key"], 0) if chain else (PAINT, sample)
        injections = {source: {"index": index, "field": "url"}}
        chain.append({**node, "key": f"{node['key']}_{sample}", "injections": injections})
    return chain
