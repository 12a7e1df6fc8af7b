"""Tells the family of a UNet, or of a net that copies a part of one, from the names and shapes of its weights.

The layouts are that of latent diffusion (`input_blocks.0.0.weight`) and that of diffusers (`conv_in.weight`). Widths
alone do not tell the families apart for small nets, so their structure decides: Stable Diffusion 1 projects the input
of its transformers with convolutions, 2 and XL with matrices, and only XL embeds the size of the image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from models.files.ema_names import EMA, EMA_FIRST_LAYER, plain_unet_name
from models.files.safetensors_header import SafetensorsHeader, TensorInfo

SIZE_EMBEDDINGS = "label_emb.0.0.weight", "add_embedding.linear_1.weight"
FIRST_LAYERS = "input_blocks.0.0.weight", "conv_in.weight"
LAST_LAYERS = "out.2.weight", "conv_out.weight"
LDM_PREFIX = "model.diffusion_model."
PREFIXES = LDM_PREFIX, "control_model.", "diffusion_model.", "unet.", ""


@dataclass(frozen=True, slots=True)
class UNetKeys:
    prefix: str
    """What comes before the name of each weight; that of averaged weights if the file has no others."""
    family: str
    """`sd1`, `sd2` or `sdxl`."""
    in_channels: int
    """4; with a masked image 9, with a source image 8, with a depth map 5."""
    context_width: int
    """Width of the text embeddings; 0 if the net does not tell."""
    whole: bool
    """Whether it has its last layer: ControlNets and encoders do not."""


def find_unet(header: SafetensorsHeader) -> UNetKeys | None:
    """None if the file has no UNet of Stable Diffusion."""
    for prefix in (*PREFIXES, EMA):
        first = next((shape for key in _first_keys(prefix) if (shape := header.shape(key))), ())
        if len(first) != 4:
            continue
        tensors = {name: header.tensors[key] for key, name in unet_names(header.tensors, prefix).items()}
        if family := _family(tensors):
            whole = any(name in tensors for name in LAST_LAYERS)
            return UNetKeys(prefix, family, first[1], _context_width(tensors), whole)
    return None


def _first_keys(prefix: str) -> tuple[str, ...]:
    return (EMA_FIRST_LAYER,) if prefix == EMA else tuple(prefix + name for name in FIRST_LAYERS)


def unet_names(keys: Iterable[str], prefix: str) -> dict[str, str]:
    """The names of weights inside the UNet with this prefix, by their keys in the file."""
    if prefix == EMA:
        return {key: name for key in keys if (name := plain_unet_name(key)) is not None}
    return {key: key.removeprefix(prefix) for key in keys if key.startswith(prefix)}


def _family(tensors: Mapping[str, TensorInfo]) -> str | None:
    if any(name in tensors for name in SIZE_EMBEDDINGS):
        return "sdxl"
    projections = [info.shape for name, info in tensors.items() if name.endswith(".proj_in.weight")]
    if not projections or not any(".attn2.to_k.weight" in name for name in tensors):
        return None
    return "sd1" if len(projections[0]) == 4 else "sd2"


def _context_width(tensors: Mapping[str, TensorInfo]) -> int:
    shapes = (info.shape for name, info in tensors.items() if name.endswith(".attn2.to_k.weight"))
    return next((shape[1] for shape in shapes if len(shape) > 1), 0)
