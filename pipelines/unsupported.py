"""Task types of the API that Hua replaces which Hua does not support: why, and what to use instead."""

from __future__ import annotations

UNSUPPORTED: dict[str, str] = {
    "img2img.semantic2img": "this server has no network for label maps; use a control task or img2img.sd",
    "img2img.harmonization": "this server has no network for it; use cv.hist_match for the colours, and "
    "txt2img.sd.inpainting for the edge",
    "cv.similarity": "this server does not compare pictures; compare them where you store them",
    "cv.repositioning": "it arranges pictures by the rules of one shop; use cv.get_mask, cv.crop_image and cv.affine",
    "third_party.facexlib.parse": "this server does not segment faces; use img2img.sod, or send your own mask",
    "third_party.facexlib.detect": "use cv.faces",
    "pipeline.product": "it was never published; build a workflow of img2img.sod, pipeline.paste and a control task",
    "pipeline.product_sr": "it was never published; build a workflow that ends with img2img.sr",
    "demo.hello": "it only returned a greeting; GET /readyz tells whether the server is ready",
    "$health-check$": "GET /readyz tells whether the server is ready",
    "$upload": "pass pictures by URL, or by the id that POST /v1/files returns",
    "$add_text": "put the text into the data of the node that needs it",
    "$control_hint": "use the task itself, such as control.depth_hint",
    "$for_each": "write one node per item",
    "$pick": "select the result with the injection's index",
    "$gather": "list the nodes in the workflow's intermediate",
}
"""Reason and replacement by name. The last six were nodes of workflows only."""


class UnsupportedTaskTypeError(Exception):
    """The API that Hua replaces has a task type of this name; Hua does not."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not supported: {UNSUPPORTED[name]}")
