"""A random CLIP vision encoder, and random IP-Adapters in every published layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from models.toy import nets
from models.toy.nets import TOYS

WIDTH, PROJECTED, SIDE = 32, 24, 32
TOKENS = 4
DEEP = 4
"""Layers of every published resampler. diffusers assumes this number, and heads of width 64."""
HEAD = 64
LOUD = 0.3
"""Spread of the encoder's weights. With the usual initial weights all images would get the same embedding."""


def encoder(folder: Path) -> None:
    """A folder as transformers saves it."""
    config = CLIPVisionConfig(
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        projection_dim=PROJECTED,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=8,
    )
    net = CLIPVisionModelWithProjection(config)
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=LOUD)
    net.save_pretrained(folder)


def plain(name: str) -> dict[str, Tensor]:
    """Four tokens from CLIP's one embedding of an image."""
    layers, width = _layers(name)
    projection = _linear("image_proj.proj", PROJECTED, TOKENS * width) | _norm("image_proj.norm", width)
    return {key: tensor.half() for key, tensor in (projection | layers).items()}


def plus(name: str) -> dict[str, Tensor]:
    """Four tokens that a resampler makes from CLIP's penultimate layer."""
    layers, width = _layers(name)
    at = "image_proj."
    weights = {f"{at}latents": torch.randn(1, TOKENS, HEAD) / HEAD**0.5}
    weights |= _linear(f"{at}proj_in", WIDTH, HEAD) | _linear(f"{at}proj_out", HEAD, width)
    weights |= _norm(f"{at}norm_out", width)
    for index in range(DEEP):
        attention, forward = f"{at}layers.{index}.0.", f"{at}layers.{index}.1."
        weights |= _norm(f"{attention}norm1", HEAD) | _norm(f"{attention}norm2", HEAD) | _norm(f"{forward}0", HEAD)
        for part, wide in (("to_q", HEAD), ("to_kv", 2 * HEAD), ("to_out", HEAD)):
            weights |= _linear(f"{attention}{part}", HEAD, wide, bias=False)
        weights |= _linear(f"{forward}1", HEAD, 4 * HEAD, bias=False) | _linear(
            f"{forward}3", 4 * HEAD, HEAD, bias=False
        )
    return {key: tensor.half() for key, tensor in (weights | layers).items()}


ENCODERS: Mapping[str, Callable[[Path], None]] = {"toy-clip-vision": encoder}
IP_ADAPTERS: Mapping[str, Callable[[], dict[str, Tensor]]] = {
    "toy-ip.safetensors": partial(plain, "toy-sd1"),
    "toy-ip-plus.safetensors": partial(plus, "toy-sd1"),
    "toy-ip-xl.safetensors": partial(plain, "toy-sdxl"),
}


def _layers(name: str) -> tuple[dict[str, Tensor], int]:
    """The key and value projections of each cross-attention of a toy's denoiser, and the width of the text."""
    (toy,) = (toy for toy in TOYS if toy.name == name)
    unet = nets.unet(toy)
    weights: dict[str, Tensor] = {}
    for number, path in enumerate(unet.attn_processors):
        if ".attn2." in path:
            inner = unet.get_submodule(path.removesuffix(".processor")).to_k.out_features
            for part in ("to_k_ip", "to_v_ip"):
                weights |= _linear(f"ip_adapter.{number}.{part}", sum(toy.widths), inner, bias=False)
    return weights, sum(toy.widths)


def _linear(name: str, wide: int, out: int, *, bias: bool = True) -> dict[str, Tensor]:
    weight = {f"{name}.weight": torch.randn(out, wide) / wide**0.5}
    return weight | {f"{name}.bias": torch.zeros(out)} if bias else weight


def _norm(name: str, wide: int) -> dict[str, Tensor]:
    return {f"{name}.weight": torch.ones(wide), f"{name}.bias": torch.zeros(wide)}
