"""Tells from the header of a file which kind of control map its net draws."""

from __future__ import annotations

from collections.abc import Mapping

from models.files.safetensors_header import SafetensorsHeader

HINTS_BY_KEY: Mapping[str, str] = {
    "block1.convs.0.weight": "softedge",
    "module.init_block.weight": "softedge",
    "conv4_3_CPM.weight": "pose",
    "model0.conv4_3_CPM.weight": "pose",
    "block23.conv3.weight": "mlsd",
}
"""A key that only the net for this kind has: HED, PidiNet, OpenPose with and without its parts' names, M-LSD."""
LINE_DRAWING = frozenset({"model0.1.weight", "model1.0.weight", "model3.0.weight", "model4.1.weight"})
"""Keys of the generator of line drawings."""


def annotator_fields(header: SafetensorsHeader) -> Mapping[str, str] | None:
    """The field `hint` of a `models.yaml` entry; None if the file is no annotator."""
    if header.tensors.keys() >= LINE_DRAWING:
        return {"hint": "lineart"}
    return next(({"hint": hint} for key, hint in HINTS_BY_KEY.items() if key in header.tensors), None)
