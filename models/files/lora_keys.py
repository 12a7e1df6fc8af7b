"""What the header of a LoRA tells: that it is one, and for which family of checkpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from models.files.safetensors_header import SafetensorsHeader
from models.files.trigger_words import trigger_words

_FACTOR = re.compile(
    r"(?:[._]lora(?:_linear_layer)?[._](?:down|up|mid|A|B)\b|\.hada_w\d|\.lokr_w\d|\.oft_(?:blocks|diag)|\.[ab][12]\.weight"
    r"|\.diff(?:_b)?$|\.w_norm$|\.b_norm$|\.on_input$|\.dora_scale$|\.lora_magnitude_vector)"
)
PARTS = (
    "lora_unet", "lora_te", "unet.", "text_encoder", "base_model.model.", "diffusion_model.", "model.diffusion_model.",
    "lycoris_", "oft_", "clip_l.", "clip_g.",
)  # fmt: skip
_METADATA = "ss_base_model_version", "modelspec.architecture"
_FAMILY_NAMES = (
    ("sdxl", re.compile(r"sdxl|stable-diffusion-xl|sd_xl", re.IGNORECASE)),
    ("sd2", re.compile(r"sd[_-]?v?2|stable-diffusion-v2", re.IGNORECASE)),
    ("sd1", re.compile(r"sd[_-]?v?1|stable-diffusion-v1", re.IGNORECASE)),
)
"""XL first: its names hold a version, too."""
_CONTEXT_WIDTHS = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
_XL_PARTS = "lora_te2", "text_encoder_2.", "lora_te1", "oft_te2", "clip_g."
_XL_BLOCKS = re.compile(r"transformer_blocks[._][2-9]|add_embedding|label_emb")
_TEXT_PARTS = "lora_te_", "lora_te.", "text_encoder."
_CONTEXT_KEY = re.compile(r"attn2[._](?:processor\.)?to_k")
_INPUT_FACTORS = (
    "lora_down.weight", ".lora_A.weight", "lora.down.weight", ".lora_A.default.weight", ".hada_w1_b", ".diff",
)  # fmt: skip


def lora_fields(header: SafetensorsHeader) -> Mapping[str, Any] | None:
    """The fields of an entry; None if the file is no LoRA for Stable Diffusion."""
    keys = [key for key in header.tensors if key.startswith(PARTS)]
    if not keys or not any(_FACTOR.search(key) for key in keys) or is_for_other_family(header):
        return None
    base = _base_in_metadata(header.metadata) or _base_of_shapes(header)
    fields = {"base": base, "trigger_words": trigger_words(header.metadata)}
    return {name: value for name, value in fields.items() if value}


def is_for_other_family(header: SafetensorsHeader) -> bool:
    """LoRAs of transformers (Flux, SD 3 and the like) name blocks that no UNet has."""
    others = ("double_blocks", "single_transformer_blocks", "joint_blocks", "single_blocks")
    return any(block in key and _FACTOR.search(key) for key in header.tensors for block in others)


def _base_in_metadata(metadata: Mapping[str, str]) -> str | None:
    for text in filter(None, map(metadata.get, _METADATA)):
        for family, pattern in _FAMILY_NAMES:
            if pattern.search(text):
                return family
    return None


def _base_of_shapes(header: SafetensorsHeader) -> str | None:
    if any(key.startswith(_XL_PARTS) or _XL_BLOCKS.search(key) for key in header.tensors):
        return "sdxl"
    for key, info in header.tensors.items():
        if _CONTEXT_KEY.search(key) and key.endswith(_INPUT_FACTORS) and len(info.shape) > 1:
            return _CONTEXT_WIDTHS.get(info.shape[1])
    for key, info in header.tensors.items():
        if key.startswith(_TEXT_PARTS) and "q_proj" in key and key.endswith(_INPUT_FACTORS) and len(info.shape) > 1:
            return _CONTEXT_WIDTHS.get(info.shape[1])
    return None
