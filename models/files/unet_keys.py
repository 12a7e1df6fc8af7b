"""Tells the family of a UNet, or of a net that copies a part of one, from the names and shapes of its weights.

The layouts are that of latent diffusion (`input_blocks.0.0.weight`) and that of diffusers (`conv_in.weight`). Widths
alone do not tell the families apart for small nets, so their structure decides: Stable Diffusion 1 projects the input
of its transformers with convolutions, 2 and XL with matrices, and only XL embeds the size of the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.files.safetensors_header import SafetensorsHeader, TensorInfo

SIZE_EMBEDDINGS = "label_emb.0.0.weight", "add_embedding.linear_1.weight"
FIRST_LAYERS = "input_blocks.0.0.weight", "conv_in.weight"
LDM_PREFIX = "model.diffusion_model."
PREFIXES = LDM_PREFIX, "control_model.", "diffusion_model.", "unet.", ""


@dataclass(frozen=True, slots=True)
class UNetKeys:
    prefix: str
    """What comes before the name of each weight."""
    family: str
    """`sd1`, `sd2` or `sdxl`."""
    in_channels: int
    """4; with a masked image 9, with a source image 8, with a depth map 5."""
    context_width: int
    """Width of the text embeddings; 0 if the net does not tell."""


def find_unet(header: SafetensorsHeader) -> UNetKeys | None:
    """None if the file has no UNet of Stable Diffusion."""
    for prefix in PREFIXES:
        first = next((shape for name in FIRST_LAYERS if (shape := header.shape(prefix + name))), ())
        if len(first) != 4:
            continue
        tensors = {key.removeprefix(prefix): info for key, info in header.tensors.items() if key.startswith(prefix)}
        if family := _family(tensors):
            return UNetKeys(prefix, family, first[1], _context_width(tensors))
    return None


def _family(tensors: Mapping[str, TensorInfo]) -> str | None:
    if any(name in tensors for name in SIZE_EMBEDDINGS):
        return "sdxl"
    projections = [info.shape for name, info in tensors.items() if name.endswith(".proj_in.weight")]
    if not projections or not any(".attn2.to_k.weight" in name for name in tensors):
        return None
    return "sd1" if len(projections[0]) == 4 else "sd2"


def _context_width(tensors: Mapping[str, TensorInfo]) -> int:
    return next((info.shape[1] for name, info in tensors.items() if name.endswith(".attn2.to_k.weight")), 0)
