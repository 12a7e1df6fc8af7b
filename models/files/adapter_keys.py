"""What the headers of ControlNets, IP-Adapters and embeddings tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.files.hint_names import guess_hint
from models.files.safetensors_header import SafetensorsHeader
from models.files.unet_keys import find_unet

_CONTEXT_WIDTHS = {768: "sd1", 1024: "sd2", 1280: "sdxl", 2048: "sdxl"}
"""The families, by the width of the text embeddings; 1280 is that of the second encoder of SDXL."""
_UNION_KEYS = "task_embedding", "control_add_embedding.linear_1.weight"


def controlnet_fields(header: SafetensorsHeader) -> Mapping[str, Any] | None:
    """None for anything but a complete ControlNet for one kind of map."""
    hints = "controlnet_cond_embedding.conv_in.weight", "input_hint_block.0.weight"
    if not _has_one(header, hints):
        return None
    unet = find_unet(header)
    if unet is None or _has_one(header, _UNION_KEYS):
        return None
    hint = guess_hint(header.metadata.get("modelspec.title", ""))
    return {"base": unet.family} | ({"hint": hint} if hint else {})


def _has_one(header: SafetensorsHeader, names: Sequence[str]) -> bool:
    return any(prefix + name in header.tensors for prefix in ("", "control_model.") for name in names)


def ip_adapter_fields(header: SafetensorsHeader) -> Mapping[str, Any] | None:
    if "\nimage_proj." not in header.key_lines:
        return None
    shape = header.shape("ip_adapter.1.to_k_ip.weight")
    base = _CONTEXT_WIDTHS.get(shape[1]) if len(shape) == 2 else None
    return {} if base is None else {"base": base}


def embedding_fields(header: SafetensorsHeader) -> Mapping[str, Any] | None:
    """One tensor of vectors, in A1111's or the original layout, or one for each of the two encoders of SDXL."""
    names = set(header.tensors)
    if names == {"clip_l", "clip_g"}:
        return {"base": "sdxl"}
    single = len(names) == 1 and "." not in min(names)  # with a dot it is the path of a weight
    vectors = [info.shape for name, info in header.tensors.items() if name == "emb_params" or single]
    if len(vectors) != 1 or len(vectors[0]) not in (1, 2):
        return None
    base = _CONTEXT_WIDTHS.get(vectors[0][-1])
    return {} if base is None else {"base": base}


def embedding_vectors(header: SafetensorsHeader) -> int:
    """How many vectors an embedding has: tokens of the prompt that it takes."""
    return max((info.shape[0] if len(info.shape) == 2 else 1 for info in header.tensors.values()), default=1)
