"""The answer to a request for pictures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from server.api.dialects.ideogram.request import PictureRequest
from server.api.dialects.workflows import PAINT
from server.api.task_response import linked_images
from server.storage.signed_links import Links
from server.task import Image, Manifest


def pictures_answer(body: PictureRequest, manifest: Manifest, links: Links, scale: int = 1) -> dict[str, Any]:
    """The links of the images; an image that the audit withholds has none.

    `scale`: how many times as long as painted each side is.
    """
    painted = _painting_params(manifest)
    seed = painted.get("seed", body.seed or 0)
    results = _results(manifest, links)
    if len(results) == 1:  # a task without chance, such as resizing, paints only one
        results *= body.num_images
    images = [
        {
            "prompt": painted.get("text", body.words),
            **_resolutions(image, scale),
            "is_image_safe": image.safe,
            "seed": seed + number if image.seed is None else image.seed,
            "url": url or None,
            "style_type": body.style_type,
        }
        for number, (url, image) in enumerate(results)
    ]
    created = datetime.fromtimestamp(manifest.outcome.finished_at, UTC)
    return {"created": created.strftime("%Y-%m-%dT%H:%M:%SZ"), "data": images}


def _painting_params(manifest: Manifest) -> Mapping[str, Any]:
    """The params of the task, or of the node that paints."""
    params = manifest.task.params
    nodes = {node["key"]: node["data"] for node in params.get("nodes", ())}
    found: Mapping[str, Any] = nodes.get(PAINT, params)
    return found


def _results(manifest: Manifest, links: Links) -> list[tuple[str, Image]]:
    """With their links. In a workflow, images of intermediate nodes are results, too."""
    more = linked_images(manifest, "hint", links) if manifest.task.type == "workflow" else []
    return [*linked_images(manifest, "image", links), *more]


def _resolutions(image: Image, scale: int) -> dict[str, str]:
    """The size that was painted, and that of the result if it is larger."""
    painted = {"resolution": f"{image.width // scale}x{image.height // scale}"}
    return painted if scale == 1 else {**painted, "upscaled_resolution": f"{image.width}x{image.height}"}
