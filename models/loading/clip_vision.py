"""Reads a CLIP vision encoder: a folder of transformers, or a single file of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt
from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from models.files.image_encoder_keys import CLASS_EMBEDDING, PROJECTION
from models.files.weights_error import WeightsError
from models.loading.nets import fill_transformers_net, read_transformers_net
from models.loading.tensors import read_tensors

ACTIVATIONS: Mapping[int, str] = {1024: "quick_gelu", 1280: "gelu", 1664: "gelu"}
"""By the width of the published encoders: ViT-L of OpenAI, ViT-H and ViT-bigG of LAION. No weight tells it."""
HEADS = 16
"""Of each of them."""
_LAYER = "vision_model.encoder.layers."
_PARTS = "vision_model.", "visual_projection."


def read_clip_vision(path: Path, dtype: torch.dtype) -> CLIPVisionModelWithProjection:
    """On the CPU. Raises WeightsError."""
    if path.is_dir():
        return read_transformers_net(CLIPVisionModelWithProjection, path, dtype)
    tensors = read_tensors(path, dtype=dtype, keep=lambda name: name.startswith(_PARTS))
    return fill_transformers_net(CLIPVisionModelWithProjection, _config(tensors, path), tensors, dtype, str(path))


def _config(tensors: Mapping[str, Tensor], path: Path) -> CLIPVisionConfig:
    """The config that the shapes of the weights tell."""
    try:
        hidden, (projected, _) = len(tensors[CLASS_EMBEDDING]), tensors[PROJECTION].shape
        patch = tensors["vision_model.embeddings.patch_embedding.weight"].shape[-1]
        patches = len(tensors["vision_model.embeddings.position_embedding.weight"]) - 1
        inner = len(tensors[f"{_LAYER}0.mlp.fc1.weight"])
        layers = 1 + max(int(name.split(".")[3]) for name in tensors if name.startswith(_LAYER))
        activation = ACTIVATIONS[hidden]
    except (LookupError, ValueError) as error:
        raise WeightsError(
            f"{path.name} is none of the published CLIP vision encoders (ViT-L, ViT-H, ViT-bigG); give the folder of "
            "transformers, which has its config.json"
        ) from error
    return CLIPVisionConfig(
        hidden_size=hidden,
        intermediate_size=inner,
        projection_dim=projected,
        num_hidden_layers=layers,
        num_attention_heads=HEADS,
        image_size=isqrt(patches) * patch,
        patch_size=patch,
        hidden_act=activation,
    )
