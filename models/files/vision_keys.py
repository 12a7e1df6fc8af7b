"""Whether a file holds an eraser, a face detector or a face restorer, by keys that only these have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.files.safetensors_header import SafetensorsHeader

LAMA = "model.1.ffc.convl2l.weight"
"""The first layer of LaMa."""
WRAPPERS = "", "params_ema.", "params.", "state_dict."
"""Trainers store the weights below one of these names."""
MTCNN = "pnet.conv4_1.weight", "rnet.dense5_1.weight", "onet.dense6_3.weight"
"""The last layers of its three nets."""
RESTORERS = (
    ("toRGB.0.weight", "stylegan_decoder.style_mlp.1.weight"),
    ("quantize.embedding.weight", "encoder.down.0.block.0.norm1.weight", "decoder.conv_out.weight"),
)
"""Keys that every GFPGAN has, and every RestoreFormer."""


def eraser_fields(header: SafetensorsHeader) -> Mapping[str, Any] | None:
    """{} for LaMa, None for any other file."""
    return {} if f"{LAMA}\n" in header.key_lines else None


def detector_fields(header: SafetensorsHeader) -> Mapping[str, Any] | None:
    """{} for MTCNN, None for any other file."""
    return {} if all(key in header.tensors for key in MTCNN) else None


def restorer_fields(header: SafetensorsHeader) -> Mapping[str, Any] | None:
    """{} for GFPGAN and RestoreFormer, None for any other file."""
    known = (all(f"{wrapper}{key}" in header.tensors for key in keys) for keys in RESTORERS for wrapper in WRAPPERS)
    return {} if any(known) else None
