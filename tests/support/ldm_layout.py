"""Writes checkpoints in the single-file layout of latent diffusion (LDM), which diffusers reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def write_single_file(folder: Path, file: Path) -> None:
    """Writes a diffusers folder as one file in the layout of latent diffusion (LDM)."""
    parts = {part.name: _read_part(part) for part in folder.iterdir() if any(part.glob("*.safetensors"))}
    tensors = to_single_file(parts, open_clip="sd2" in folder.name)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)


def to_single_file(
    parts: Mapping[str, dict[str, torch.Tensor]], *, open_clip: bool = False, layers: int = 1
) -> dict[str, torch.Tensor]:
    """The tensors of the nets of a checkpoint, by the name of their folder, with their names in a single file.

    `open_clip`: the only text encoder is one of OpenCLIP, as that of Stable Diffusion 2. `layers`: of each block of the
    UNet.
    """
    tensors = _add_prefix("model.diffusion_model.", unet_to_ldm(parts["unet"], layers))
    tensors |= _add_prefix("first_stage_model.", vae_to_ldm(parts["vae"]))
    encoder = parts["text_encoder"]
    if "text_encoder_2" in parts:
        tensors |= _add_prefix("conditioner.embedders.0.transformer.text_model.", encoder)
        tensors |= _add_prefix("conditioner.embedders.1.model.", _text_encoder_to_open_clip(parts["text_encoder_2"]))
    elif open_clip:
        tensors |= _add_prefix("cond_stage_model.model.", _text_encoder_to_open_clip(encoder))
    else:
        tensors |= _add_prefix("cond_stage_model.transformer.text_model.", encoder)
    return tensors


def _read_part(folder: Path) -> dict[str, torch.Tensor]:
    (file,) = folder.glob("*.safetensors")
    return load_file(file)


def _add_prefix(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def rename_prefixes(tensors: dict[str, torch.Tensor], names: dict[str, str]) -> dict[str, torch.Tensor]:
    """Names that begin with a key of `names` begin with its value instead; the longest key wins."""
    renamed = {}
    for name, tensor in tensors.items():
        start = max((key for key in names if name.startswith(key)), key=len)
        renamed[names[start] + name.removeprefix(start)] = tensor
    return renamed


def replace_parts(tensors: dict[str, torch.Tensor], pairs: Sequence[tuple[str, str]]) -> dict[str, torch.Tensor]:
    renamed = {}
    for name, tensor in tensors.items():
        for old, new in pairs:
            name = name.replace(old, new)
        renamed[name] = tensor
    return renamed


UNET_RESNET = [
    (".norm1.", ".in_layers.0."),
    (".conv1.", ".in_layers.2."),
    (".time_emb_proj.", ".emb_layers.1."),
    (".norm2.", ".out_layers.0."),
    (".conv2.", ".out_layers.3."),
    (".conv_shortcut.", ".skip_connection."),
]


def unet_to_ldm(tensors: dict[str, torch.Tensor], layers: int = 1) -> dict[str, torch.Tensor]:
    levels = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("down_blocks."))
    names = {
        "conv_in.": "input_blocks.0.0.",
        "time_embedding.linear_1.": "time_embed.0.",
        "time_embedding.linear_2.": "time_embed.2.",
        "add_embedding.linear_1.": "label_emb.0.0.",
        "add_embedding.linear_2.": "label_emb.0.2.",
        "mid_block.resnets.0.": "middle_block.0.",
        "mid_block.attentions.0.": "middle_block.1.",
        "mid_block.resnets.1.": "middle_block.2.",
        "conv_norm_out.": "out.0.",
        "conv_out.": "out.2.",
    }
    for level in range(levels):
        first = 1 + level * (layers + 1)
        for layer in range(layers):
            names[f"down_blocks.{level}.resnets.{layer}."] = f"input_blocks.{first + layer}.0."
            names[f"down_blocks.{level}.attentions.{layer}."] = f"input_blocks.{first + layer}.1."
        names[f"down_blocks.{level}.downsamplers.0.conv."] = f"input_blocks.{first + layers}.0.op."
        first = level * (layers + 1)
        for layer in range(layers + 1):
            names[f"up_blocks.{level}.resnets.{layer}."] = f"output_blocks.{first + layer}.0."
            names[f"up_blocks.{level}.attentions.{layer}."] = f"output_blocks.{first + layer}.1."
        position = 2 if any(name.startswith(f"up_blocks.{level}.attentions") for name in tensors) else 1
        names[f"up_blocks.{level}.upsamplers.0.conv."] = f"output_blocks.{first + layers}.{position}.conv."
    resnets = {name: tensor for name, tensor in tensors.items() if ".resnets." in name}
    others = {name: tensor for name, tensor in tensors.items() if ".resnets." not in name}
    return rename_prefixes(others, names) | replace_parts(rename_prefixes(resnets, names), UNET_RESNET)


def vae_to_ldm(tensors: dict[str, torch.Tensor], levels: int = 4) -> dict[str, torch.Tensor]:
    pairs = [
        ("conv_shortcut", "nin_shortcut"),
        ("conv_norm_out", "norm_out"),
        ("mid_block.resnets.0", "mid.block_1"),
        ("mid_block.resnets.1", "mid.block_2"),
        ("mid_block.attentions.0", "mid.attn_1"),
        ("group_norm", "norm"),
        ("to_q", "q"),
        ("to_k", "k"),
        ("to_v", "v"),
        ("to_out.0", "proj_out"),
        ("samplers.0.conv", "sample.conv"),
        ("resnets", "block"),
        *((f"up_blocks.{level}", f"up.{levels - 1 - level}") for level in range(levels)),
        ("down_blocks", "down"),
    ]
    renamed = replace_parts(tensors, pairs)
    attention = {name for name in renamed if ".attn_1." in name and renamed[name].ndim == 2}
    return {name: tensor[:, :, None, None] if name in attention else tensor for name, tensor in renamed.items()}


def _text_encoder_to_open_clip(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    pairs = [
        ("text_model.", ""),
        ("embeddings.token_embedding.weight", "token_embedding.weight"),
        ("embeddings.position_embedding.weight", "positional_embedding"),
        ("final_layer_norm", "ln_final"),
        ("text_projection.weight", "text_projection"),
        ("encoder.layers", "transformer.resblocks"),
        ("layer_norm1", "ln_1"),
        ("layer_norm2", "ln_2"),
        ("mlp.fc1", "mlp.c_fc"),
        ("mlp.fc2", "mlp.c_proj"),
        ("self_attn", "attn"),
    ]
    renamed = replace_parts(tensors, pairs)
    if "text_projection" in renamed:
        renamed["text_projection"] = renamed["text_projection"].T
    for name in [name for name in renamed if ".q_proj." in name]:
        parts = [renamed.pop(name.replace(".q_proj.", f".{part}_proj.")) for part in "qkv"]
        renamed[name.replace(".q_proj.", ".in_proj_")] = torch.cat(parts)
    return renamed
