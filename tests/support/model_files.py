"""Writes `.safetensors` files with given keys and shapes, as files of the wild have them, but of a few bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

Shapes = Mapping[str, tuple[int, ...]]

_SD1_UNET = {
    "input_blocks.0.0.weight": (8, 4, 3, 3),
    "input_blocks.1.1.proj_in.weight": (8, 8, 1, 1),
    "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (8, 768),
    "out.2.weight": (4, 8, 3, 3),
}
_SD2_UNET = _SD1_UNET | {
    "input_blocks.1.1.proj_in.weight": (8, 8),
    "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (8, 1024),
}
_XL_UNET = {
    "input_blocks.0.0.weight": (8, 4, 3, 3),
    "label_emb.0.0.weight": (8, 2816),
    "input_blocks.4.1.proj_in.weight": (8, 8),
    "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (8, 2048),
    "out.2.weight": (4, 8, 3, 3),
}


def with_prefix(prefix: str, shapes: Shapes) -> dict[str, tuple[int, ...]]:
    return {prefix + name: shape for name, shape in shapes.items()}


def with_channels(shapes: Shapes, channels: int) -> dict[str, tuple[int, ...]]:
    """The same UNet with another number of input channels."""
    first = next(name for name in shapes if name.endswith("input_blocks.0.0.weight"))
    return {**shapes, first: (8, channels, 3, 3)}


def with_vae_channels(channels: int) -> dict[str, tuple[int, ...]]:
    """A VAE, in the layout of latent diffusion, whose latents have this number of channels."""
    return {
        "encoder.conv_in.weight": (8, 3, 3, 3),
        "decoder.conv_in.weight": (8, channels, 3, 3),
        "decoder.mid.block_1.conv1.weight": (8, 8, 3, 3),
    }


VAE = with_vae_channels(4)
UNETS = {"sd1": _SD1_UNET, "sd2": _SD2_UNET, "sdxl": _XL_UNET}
"""UNets alone, by family."""
_TEXT = {"cond_stage_model.transformer.text_model.final_layer_norm.bias": (8,)}
_TEXT_XL = {f"conditioner.embedders.{index}.x.weight": (8,) for index in (0, 1)}
SD1, SD2, SDXL = (
    with_prefix("model.diffusion_model.", unet) | with_prefix("first_stage_model.", VAE) | text
    for unet, text in zip(UNETS.values(), (_TEXT, _TEXT, _TEXT_XL), strict=True)
)
"""Single-file checkpoints, in the layout of latent diffusion."""
CONTROLNET_UNET = {name: shape for name, shape in _SD1_UNET.items() if not name.startswith("out.")}
"""The half of a UNet that a ControlNet copies."""
CONTROLNET = with_prefix("control_model.", CONTROLNET_UNET | {"input_hint_block.0.weight": (8, 3, 3, 3)})
LORA_XL = {
    "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": (4, 2048),
    "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight": (8, 4),
}
LORA_SD1 = {
    "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": (4, 768),
    "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight": (8, 4),
}
EMBEDDING = {"emb_params": (2, 768)}
ESRGAN = {"conv_first.weight": (4, 3, 3, 3), "body.0.rdb1.conv1.weight": (4, 4, 3, 3), "conv_last.weight": (3, 4, 3, 3)}
IP_ADAPTER = {"image_proj.proj.weight": (4, 8), "ip_adapter.1.to_k_ip.weight": (4, 768)}


def image_encoder(hidden: int, projected: int) -> dict[str, tuple[int, ...]]:
    """A CLIP vision encoder of these widths."""
    return {"vision_model.embeddings.class_embedding": (hidden,), "visual_projection.weight": (projected, hidden)}


def write_model(file: Path, shapes: Shapes, metadata: Mapping[str, str] | None = None) -> Path:
    """The path of the file, with zeros for weights."""
    file.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: np.zeros(shape, np.float16) for name, shape in shapes.items()}
    save_file(tensors, file, dict(metadata) if metadata else None)
    return file
