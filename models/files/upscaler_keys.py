"""Which upscaler a file holds, by keys that only this architecture has. spandrel reads the nets; it needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.files.safetensors_header import SafetensorsHeader

WRAPPERS = "", "params_ema.", "params.", "state_dict.", "module."
"""Trainers store the weights below one of these names."""
ARCHITECTURES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("HAT", ("conv_first.weight", "layers.0.residual_group.overlap_attn.qkv.weight")),
    ("Swin2SR", ("patch_embed.proj.weight", "layers.0.residual_group.blocks.0.attn.relative_position_index")),
    ("SwinIR", ("conv_first.weight", "layers.0.residual_group.blocks.0.attn.relative_position_index")),
    ("SwinIR", ("conv_first.1.weight", "layers.0.residual_group.blocks.0.attn.relative_position_index")),
    ("DAT", ("conv_first.weight", "layers.0.blocks.0.attn.qkv.weight", "before_RG.1.weight")),
    ("OmniSR", ("residual_layer.0.residual_layer.0.layer.0.fn.0.weight", "up.0.weight")),
    ("SPAN", ("block_1.c1_r.sk.weight", "upsampler.0.weight")),
    ("PLKSR", ("feats.0.weight", "feats.1.refine.weight")),
    ("RCAN", ("tail.1.weight", "body.0.body.0.body.3.conv_du.0.weight")),
    ("ESRGAN", ("conv_first.weight", "body.0.rdb1.conv1.weight", "conv_last.weight")),
    ("ESRGAN", ("conv_first.weight", "RRDB_trunk.0.RDB1.conv1.weight", "conv_last.weight")),
    ("ESRGAN", ("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight")),
    ("ESRGAN", ("model.0.weight", "model.1.sub.0.RDB1.conv1x1.weight")),
    ("Real-ESRGAN compact", ("body.0.weight", "body.1.weight", "body.2.weight")),
)
"""Keys that every file of an architecture has."""


def upscaler_fields(header: SafetensorsHeader) -> Mapping[str, Any] | None:
    """{} for an upscaler of a known architecture, None for any other file."""
    known = (keys for wrapper in WRAPPERS for _, keys in ARCHITECTURES if _has_all(header, wrapper, keys))
    return {} if any(known) else None


def _has_all(header: SafetensorsHeader, wrapper: str, keys: tuple[str, ...]) -> bool:
    return all(wrapper + key in header.tensors for key in keys)
