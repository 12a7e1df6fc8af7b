"""Workflows that dialects build around a painting: what comes before it, and what is done to each of its images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

PAINT = "paint"
"""The key of the node that paints."""
Node = dict[str, Any]
Step = tuple[str, dict[str, Any]]
"""A task type, and its params without the picture."""
CUT_OUT: Node = {"key": "cut_out", "endpoint": "img2img.sod", "data": {}}
"""Cuts out the main object."""


def object_mask(picture: str, **data: str) -> Node:
    """Marks the main object of a picture in white. `data`: further params of img2img.sod."""
    return {"key": "mask", "endpoint": "img2img.sod", "data": {"url": picture, "output": "alpha", **data}}


def painting_task(
    task_type: str, params: Mapping[str, Any], *, before: Mapping[str, Node] | None = None, after: Sequence[Node] = ()
) -> tuple[str, dict[str, Any]]:
    """Type and params of the task.

    `before` are nodes by the param of the painting that takes their result. `after` are nodes without injections, which
    run one after another for each image; the images of the task are then its target's and its intermediate ones.
    """
    if not before and not after:
        return task_type, dict(params)
    injections = {node["key"]: {"index": 0, "field": field} for field, node in (before or {}).items()}
    paint = {"key": PAINT, "endpoint": task_type, "data": dict(params), "injections": injections}
    chains = [_chain(after, sample) for sample in range(params.get("num_samples", 1))] if after else []
    nodes = [*(before or {}).values(), paint, *(node for chain in chains for node in chain)]
    results = [chain[-1]["key"] for chain in chains] or [PAINT]
    return "workflow", {"nodes": nodes, "target": results[0], "intermediate": results[1:] or None, "use_audit": True}


def chain_task(steps: Sequence[Step], picture: str) -> Step:
    """Type and params of the task that takes a picture through these steps, at least one, in this order."""
    (first, params), *others = steps
    if not others:
        return first, {"url": picture, **params}
    nodes: list[Node] = [{"key": "0", "endpoint": first, "data": {"url": picture, **params}}]
    for number, (endpoint, data) in enumerate(others, start=1):
        injections = {str(number - 1): {"index": 0, "field": "url"}}
        nodes.append({"key": str(number), "endpoint": endpoint, "data": data, "injections": injections})
    return "workflow", {"nodes": nodes, "target": nodes[-1]["key"]}


def _chain(nodes: Sequence[Node], sample: int) -> list[Node]:
    """These nodes one after another, the first one for this image of the painting."""
    chain: list[Node] = []
    for node in nodes:
        source, index = (chain[-1]["key"], 0) if chain else (PAINT, sample)
        injections = {source: {"index": index, "field": "url"}}
        chain.append({**node, "key": f"{node['key']}_{sample}", "injections": injections})
    return chain
