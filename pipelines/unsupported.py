"""Task types of the API that Hua replaces which are not offered: why, and what to use instead."""

from __future__ import annotations

REFUSED: dict[str, str] = {
    "img2img.semantic2img": "no net for label maps is part of this server; use a control task, or img2img.sd",
    "img2img.harmonization": "no net for it is part of this server; use cv.hist_match for the colours, and "
    "txt2img.sd.inpainting for the edge",
    "cv.similarity": "nothing here compares pictures; compare them where you keep them",
    "cv.repositioning": "it lays out pictures by rules of one shop; use cv.get_mask, cv.crop_image and cv.affine",
    "third_party.facexlib.parse": "faces are not taken apart here; use img2img.sod, or send a mask of your own",
    "third_party.facexlib.detect": "faces are not looked for here; send the boxes that you know to cv.generate_masks",
    "pipeline.product": "it was never published; build a workflow of img2img.sod, pipeline.paste and a control task",
    "pipeline.product_sr": "it was never published; build a workflow that ends with img2img.sr",
    "demo.hello": "it greeted; GET /readyz says whether the server is ready",
    "$health-check$": "GET /readyz says whether the server is ready",
    "$upload": "name pictures by URL, or by the id that POST /v1/files answers",
    "$add_text": "put the text into the data of the node that needs it",
    "$control_hint": "use the task itself, such as control.depth_hint",
    "$for_each": "write a node for each turn",
    "$pick": "say which one by the injection's index",
    "$gather": "name the nodes in the workflow's intermediate",
}
"""The last six were nodes of workflows only."""


class RefusedTaskTypeError(Exception):
    """A task type is known, and not offered."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not offered: {REFUSED[name]}")
