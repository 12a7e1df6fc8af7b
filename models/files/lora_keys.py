"""What the header of a LoRA tells: that it is one, and for which family of checkpoints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from models.files.lora_layout import parse_key
from models.files.safetensors_header import SafetensorsHeader
from models.files.trigger_words import trigger_words

_FACTOR = re.compile(
    r"(?:[._]lora(?:_linear_layer)?[._](?:down|up|mid|A|B)\b|\.hada_[wt]\d|\.lokr_[wt]\d|\.oft_(?:blocks|diag)"
    r"|\.[ab][12]\.weight|\.diff(?:_b)?$|\.w_norm$|\.b_norm$|\.on_input$|\.dora_scale$|\.lora_magnitude_vector)"
)
_OTHER_BLOCKS = "double_blocks", "single_transformer_blocks", "joint_blocks", "single_blocks"
_METADATA = "ss_base_model_version", "modelspec.architecture"
_FAMILY_NAMES = (
    ("sdxl", re.compile(r"sdxl|stable-diffusion-xl|sd_xl", re.IGNORECASE)),
    ("sd2", re.compile(r"sd[_-]?v?2|stable-diffusion-v2", re.IGNORECASE)),
    ("sd1", re.compile(r"sd[_-]?v?1|stable-diffusion-v1", re.IGNORECASE)),
)
"""XL first: its names hold a version, too."""
_CONTEXT_WIDTHS = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
_XL_PARTS = "lora_te2", "text_encoder_2.", "lora_te1", "oft_te2", "clip_g.", "text_encoders.clip_g"
_XL_BLOCKS = re.compile(r"transformer_blocks[._][2-9]|add_embedding|label_emb")
_TEXT_KEY = re.compile(r"(?:lora_te|text_encoder|oft_te|base_model\.model|text_encoders\.clip_[lh])[._].*q_proj")
"""Keys of the one text encoder of SD 1 and 2, whose width is that of the text."""
_CONTEXT_KEY = re.compile(r"attn2[._](?:processor\.)?to_k")
_INPUT_FACTORS = (
    ".lora_down.weight", ".lora_A.weight", ".lora.down.weight", "_lora.down.weight", ".lora_linear_layer.down.weight",
    ".lora_A.default.weight", ".hada_w1_b", ".diff",
)  # fmt: skip
"""Tensors with one column for each input of the module."""


def lora_fields(header: SafetensorsHeader) -> Mapping[str, Any] | None:
    """The fields of an entry; None if the file is no LoRA for Stable Diffusion."""
    if not any(map(parse_key, factor_keys(header))) or is_for_other_family(header):
        return None
    base = _base_in_metadata(header.metadata) or _base_of_shapes(header)
    fields = {"base": base, "trigger_words": trigger_words(header.metadata)}
    return {name: value for name, value in fields.items() if value}


def factor_keys(header: SafetensorsHeader) -> Iterator[str]:
    """The keys of factors, of whatever net; only LoRAs have any."""
    return filter(_FACTOR.search, header.tensors)


def is_for_other_family(header: SafetensorsHeader) -> bool:
    """LoRAs of transformers (Flux, SD 3 and the like) name blocks that no UNet has."""
    blocks = [block for block in _OTHER_BLOCKS if block in header.key_lines]
    return any(block in key for key in (factor_keys(header) if blocks else ()) for block in blocks)


def _base_in_metadata(metadata: Mapping[str, str]) -> str | None:
    for text in filter(None, map(metadata.get, _METADATA)):
        for family, pattern in _FAMILY_NAMES:
            if pattern.search(text):
                return family
    return None


def _base_of_shapes(header: SafetensorsHeader) -> str | None:
    """The width of the text tells the family, or parts and blocks that only one has."""
    if base := _base_of_width(header, _CONTEXT_KEY):
        return base
    if any(key.startswith(_XL_PARTS) or _XL_BLOCKS.search(key) for key in header.tensors):
        return "sdxl"
    return _base_of_width(header, _TEXT_KEY)


def _base_of_width(header: SafetensorsHeader, pattern: re.Pattern[str]) -> str | None:
    widths = (_input_width(header, key) for key in factor_keys(header) if pattern.search(key))
    return _CONTEXT_WIDTHS.get(next(filter(None, widths), 0))


def _input_width(header: SafetensorsHeader, key: str) -> int:
    """How many inputs the module of this key has; 0 if its factors do not tell."""
    match = _FACTOR.search(key)
    module = key[: match.start()] if match else key
    for factor in _INPUT_FACTORS:
        if len(shape := header.shape(module + factor)) > 1:
            return shape[1]
    if inner := header.shape(f"{module}.a1.weight"):
        return max((*inner, *header.shape(f"{module}.a2.weight")))
    sides = [header.shape(f"{module}.lokr_w{n}") or header.shape(f"{module}.lokr_w{n}_b") for n in (1, 2)]
    return sides[0][1] * sides[1][1] if all(len(side) > 1 for side in sides) else 0
