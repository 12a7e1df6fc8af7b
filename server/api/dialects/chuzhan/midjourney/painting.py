"""The tasks of the Midjourney shape: a drawing is four images and a sheet of them."""

from __future__ import annotations

from typing import Any

from models.catalog.catalog import Catalog
from pipelines.params.limits import SEEDS
from server.api.dialects.chuzhan.answers import SHEET
from server.api.dialects.chuzhan.midjourney.prompt import Prompt, read_prompt
from server.api.dialects.chuzhan.midjourney.request import IMAGES, ImagineRequest, VariationRequest, ZoomOutRequest
from server.api.dialects.ratios import STEP, size_of
from server.api.dialects.workflows import PAINT
from server.task import Image, Manifest
from server.tasks.submission import InvalidParamsError

Params = dict[str, Any]
PICTURE_FIDELITY = 0.3
UPSCALED, LONGEST_SIDE = 2, 2048
FADE_PIXELS = 16
"""Around what is painted outside an image, so that its edge does not show."""
SOURCES = ("url", "mask_url", "left", "right", "top", "bottom")
"""Params of a painting that say what it starts from."""


def drawing(request: ImagineRequest, catalog: Catalog) -> Params:
    """The workflow of a drawing. Raises InvalidParamsError, UnknownModelError."""
    prompt = read_prompt(request.prompt)
    side = catalog.find("").side
    if request.image_url is None:
        width, height = size_of(prompt.ratio or "1:1", side, "prompt")
        return sheet_of("txt2img.sd", {**_params(prompt), "w": width, "h": height, "max_wh": max(width, height)})
    params = {**_params(prompt), "url": request.image_url, "fidelity": PICTURE_FIDELITY, "max_wh": LONGEST_SIDE}
    if prompt.ratio:
        params |= {"wh": size_of(prompt.ratio, side, "prompt"), "resize_mode": "cover"}
    return sheet_of("img2img.sd", params)


def variation(request: VariationRequest, manifest: Manifest, seed: int) -> Params:
    """Four images around an earlier one, by `seed`. Raises InvalidParamsError."""
    endpoint, params = _painting_of(manifest, request.index, "a variation")
    earlier = params.get("variations", ())
    # Image i of a task has seed + i, so each of the four is a task of its own with the seed of the earlier image.
    nodes = [
        _paint(
            endpoint,
            {**params, "variations": [*earlier, {"seed": (seed + number) % SEEDS, "strength": request.strength}]},
            number,
        )
        for number in range(IMAGES)
    ]
    return _workflow(nodes, [(node["key"], 0) for node in nodes])


def zooming_out(request: ZoomOutRequest, manifest: Manifest, image: Image) -> Params:
    """Four images that show more around an earlier one. Raises InvalidParamsError."""
    _, params = _painting_of(manifest, request.index, "zooming out")
    params = {name: value for name, value in params.items() if name not in (*SOURCES, "variations", "w", "h", "wh")}
    if request.prompt:
        params |= _params(read_prompt(request.prompt))
    edges = _edges(request, image.width, image.height)
    source = {"task": manifest.task.id, "index": index_of(manifest, request.index)}
    params |= {
        "url": source,
        **edges,
        "keep_original": True,
        "keep_original_num_fade_pixels": FADE_PIXELS,
        "max_wh": LONGEST_SIDE,
        "seed": -1,
    }
    return sheet_of("txt2img.sd.outpainting", params)


def enlargement(manifest: Manifest, number: int) -> Params:
    """The params of img2img.sr."""
    return {"url": {"task": manifest.task.id, "index": index_of(manifest, number)}, "scale": UPSCALED}


def description(picture: str, *, enhances: bool) -> tuple[str, Params]:
    """Type and params of the task that describes a picture; longer prompts come from the enhancer, if there is one."""
    if not enhances:
        return "img2txt.caption", {"url": picture}
    caption = {"key": "caption", "endpoint": "img2txt.caption", "data": {"url": picture}}
    enhance = {
        "key": "enhance",
        "endpoint": "txt2txt.prompt_enhance",
        "data": {"num_return_sequences": IMAGES - 1},
        "injections": {"caption": {"index": 0, "field": "text"}},
    }
    return "workflow", {"nodes": [caption, enhance], "target": "enhance", "intermediate": ["caption"]}


def index_of(manifest: Manifest, number: int) -> int:
    """Where image `number`, from 1, is among those of its task. Raises InvalidParamsError."""
    first = 1 if is_drawing(manifest) else 0
    count = len(manifest.outcome.images) - first
    if number > count:
        has = f"has {count} image{'s' * (count != 1)}" if count > 0 else "has no image"
        raise InvalidParamsError(f"index {number}: task {manifest.task.id} {has}", "index")
    return first + number - 1


def is_drawing(manifest: Manifest) -> bool:
    return manifest.task.type == "workflow" and manifest.task.params["target"] == SHEET


def sheet_of(endpoint: str, params: Params) -> Params:
    """The workflow that paints four images, and lays them out as a sheet."""
    node = _paint(endpoint, {**params, "num_samples": IMAGES})
    return _workflow([node], [(node["key"], index) for index in range(IMAGES)])


def _workflow(nodes: list[Params], results: list[tuple[str, int]]) -> Params:
    """`results`: the node and the index of each image of the sheet."""
    injections: dict[str, list[Params]] = {}
    for position, (key, index) in enumerate(results):
        injections.setdefault(key, []).append({"index": index, "field": f"urls.{position}"})
    sheet = {"key": SHEET, "endpoint": "pipeline.grid", "data": {"columns": 2, "gap": 0}, "injections": injections}
    keys = [node["key"] for node in nodes]
    return {"nodes": [*nodes, sheet], "target": SHEET, "intermediate": keys, "use_audit": True}


def _paint(endpoint: str, params: Params, number: int | None = None) -> Params:
    return {"key": PAINT if number is None else f"{PAINT}_{number}", "endpoint": endpoint, "data": params}


def _params(prompt: Prompt) -> Params:
    return {
        "text": prompt.text,
        "negative_prompt": prompt.negative,
        "seed": prompt.seed,
        "guidance_scale": prompt.guidance_scale,
        "use_circular": prompt.tile,
    }


def _painting_of(manifest: Manifest, number: int, what: str) -> tuple[str, Params]:
    """Task type and params of the task that paints image `number` of an earlier one. Raises InvalidParamsError."""
    nodes = {node["key"]: node for node in manifest.task.params["nodes"]} if is_drawing(manifest) else {}
    own, common = nodes.get(f"{PAINT}_{number - 1}"), nodes.get(PAINT)
    if own is not None:
        return own["endpoint"], dict(own["data"])
    if common is None:
        raise InvalidParamsError(f"{what} needs a task that drew four images; send its taskId", "taskId")
    data = common["data"]
    return common["endpoint"], {**data, "num_samples": 1, "seed": (data["seed"] + number - 1) % SEEDS}


def _edges(request: ZoomOutRequest, width: int, height: int) -> Params:
    """Pixels to add, by side."""
    if request.pan is not None:
        side = {"left": "left", "right": "right", "up": "top", "down": "bottom"}[request.pan]
        return {side: _on_grid((width if side in ("left", "right") else height) / 2)}
    across, down = (_on_grid(length * (request.scale - 1) / 2) for length in (width, height))
    return {"left": across, "right": across, "top": down, "bottom": down}


def _on_grid(length: float) -> int:
    return max(round(length / STEP), 1) * STEP
