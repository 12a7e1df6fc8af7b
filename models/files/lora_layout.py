"""How trainers name the tensors of LoRAs. All spellings are read into one: part, module and role.

A part is a net of a checkpoint, a module its path with underscores for dots, a role what the tensor is in the update.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

PARTS: Mapping[str, str] = {
    "lora_unet": "unet",
    "oft_unet": "unet",
    "lycoris": "unet",
    "model.diffusion_model": "unet",
    "diffusion_model": "unet",
    "unet": "unet",
    "lora_te1": "text_encoder",
    "lora_te2": "text_encoder_2",
    "lora_te": "text_encoder",
    "oft_te1": "text_encoder",
    "oft_te2": "text_encoder_2",
    "oft_te": "text_encoder",
    "text_encoders.clip_l": "text_encoder",
    "text_encoders.clip_h": "text_encoder",
    "text_encoders.clip_g": "text_encoder_2",
    "text_encoder_2": "text_encoder_2",
    "text_encoder_1": "text_encoder",
    "text_encoder": "text_encoder",
    "clip_l": "text_encoder",
    "clip_g": "text_encoder_2",
    "base_model.model.text_model": "text_encoder",
    "base_model.model": "unet",
}
"""The parts of a checkpoint, by the prefix of their keys; a dot or an underscore follows."""
BIAS = "diff_b"
"""The role of the delta of a bias."""
_ROLES = {"A": "down", "B": "up", "w_norm": "diff", "b_norm": BIAS}
_FACTORLESS = frozenset({"alpha", "weight"})
"""Roles that say nothing without others."""
_KEY = re.compile(
    rf"""
    (?P<prefix>{"|".join(map(re.escape, PARTS))})[._](?P<module>.+?)
    (?: [._]lora(?:_linear_layer)?[._](?P<factor>down|up|mid|A|B)(?:\.default)?(?:\.weight)?
      | \.(?P<role>alpha|hada_w[12]_[ab]|hada_t[12]|lokr_w[12](?:_[ab])?|lokr_t[12]|dora_scale|diff|diff_b|w_norm|b_norm
          |lora_magnitude_vector|on_input|weight|oft_blocks|oft_diag|rescale|[ab][12])
        (?:(?:\.default)?\.weight)?
    )
    """,
    re.VERBOSE,
)
_BARE_UNET = "down_blocks.", "mid_block.", "up_blocks."
"""How keys begin in the first files of diffusers, which had updates for the UNet alone."""
_MODULE = re.compile(
    r"(?:down_blocks|up_blocks|input_blocks|output_blocks|encoder_layers)_\d|mid_block_|middle_block_\d|conv_in|conv_out"
    r"|conv_norm_out|out_[02]|time_embed(?:ding)?_|add_embedding_|label_emb_|embeddings_|final_layer_norm|text_projection"
)
"""How the names of modules begin in a UNet of Stable Diffusion, in both layouts, and in CLIP's text encoder."""
_OLD_ATTENTION = re.compile(r"_self_attn_to_(q|k|v|out)(?:_0)?$")


class LoraLayout(NamedTuple):
    keys: Mapping[str, Mapping[str, Mapping[str, str]]]
    """The key of each tensor that is understood, by part, module and role."""
    skipped: tuple[str, ...]
    """The other keys."""


class LoraKey(NamedTuple):
    part: str
    module: str
    role: str


def read_layout(keys: Iterable[str]) -> LoraLayout:
    """What the keys of a file mean; a module of which only an alpha or a plain weight is known has no update."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    skipped: list[str] = []
    for key in keys:
        if parsed := parse_key(key):
            found.setdefault(parsed.part, {}).setdefault(parsed.module, {})[parsed.role] = key
        else:
            skipped.append(key)
    for part, modules in found.items():
        empty = {module for module, roles in modules.items() if roles.keys() <= _FACTORLESS}
        skipped += (key for module in empty for key in modules[module].values())
        found[part] = {module: roles for module, roles in modules.items() if module not in empty}
    return LoraLayout({part: modules for part, modules in found.items() if modules}, tuple(sorted(skipped)))


def parse_key(key: str) -> LoraKey | None:
    """None for a key that is not understood, or whose module no net of Stable Diffusion has."""
    match = _KEY.fullmatch(f"unet.{key}" if key.startswith(_BARE_UNET) else key)
    if match is None:
        return None
    module = flatten_path(match["module"].replace(".processor.", "."))
    if not _MODULE.match(module):
        return None
    role = match["factor"] or match["role"]
    return LoraKey(PARTS[match["prefix"]], module, _ROLES.get(role, role))


def flatten_path(path: str) -> str:
    """The path of a module as LoRA files write it. Versions of transformers differ in the prefix `text_model`."""
    flat = path.removeprefix("base_model.model.").replace(".", "_").removeprefix("transformer_")
    return _OLD_ATTENTION.sub(_own_name, flat.removeprefix("text_model_"))


def _own_name(match: re.Match[str]) -> str:
    """The first versions of diffusers named the layers of CLIP's attention as those of the UNet."""
    return "_self_attn_out_proj" if match[1] == "out" else f"_self_attn_{match[1]}_proj"
