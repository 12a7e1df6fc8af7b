"""The names of averaged weights (EMA) in checkpoints of latent diffusion: without the dots, as `LitEma` stores them."""

from __future__ import annotations

import re

EMA = "model_ema."
"""How the names of averaged weights begin."""
_UNET = f"{EMA}diffusion_model"
EMA_FIRST_LAYER = f"{_UNET}input_blocks00weight"
_NAMES = (
    *("transformer_blocks", "skip_connection", "middle_block", "time_embed", "out_layers", "emb_layers", "in_layers"),
    *("label_emb", "proj_out", "proj_in", "attn1", "attn2", "norm1", "norm2", "norm3", "to_out", "to_q", "to_k"),
    *("to_v", "weight", "bias", "norm", "conv", "proj", "net", "out", "op", "ff"),
)
"""The parts of the names of a UNet. Each stands behind all that begin like it and are longer."""
_PARTS = re.compile(rf"(input_blocks|output_blocks)(\d+)(\d)|(label_emb)(\d)(\d)|({'|'.join(_NAMES)})|(\d+)")


def plain_unet_name(name: str) -> str | None:
    """`input_blocks.1.0.in_layers.0.weight` of `model_ema.diffusion_modelinput_blocks10in_layers0weight`; None for
    other names."""
    if not name.startswith(_UNET):
        return None
    rest, parts, end = name.removeprefix(_UNET), list[str](), 0
    for match in _PARTS.finditer(rest):
        if match.start() != end:
            return None
        parts += [group for group in match.groups() if group is not None]
        end = match.end()
    return ".".join(parts) if end == len(rest) else None
