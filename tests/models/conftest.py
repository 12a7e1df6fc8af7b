"""Toy checkpoints as this house and as diffusers load them, and a writer of the single-file lay-out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from safetensors.torch import load_file, save_file

from models import catalog
from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.kinds import CHECKPOINT_FAMILIES
from models.loaded_model import LoadedModel
from models.registry import loaders

CPU = torch.device("cpu")


class Draws:
    """Noise from a seed."""

    def __init__(self, seed: int) -> None:
        self._generator = torch.Generator().manual_seed(seed)

    def gaussian(self, shape: Sequence[int]) -> torch.Tensor:
        return torch.randn(tuple(shape), generator=self._generator)


@pytest.fixture(scope="session")
def toys(models_dir: Path) -> Catalog:
    return catalog.read(models_dir)


def plain(toys: Catalog) -> list[ModelEntry]:
    """The toys that paint from noise alone, one of each family."""
    painters = (entry for entry in toys if entry.family in CHECKPOINT_FAMILIES)
    return [entry for entry in painters if not entry.name.endswith("-inpainting")]


@pytest.fixture(scope="session")
def checkpoints(toys: Catalog) -> dict[str, LoadedModel]:
    return {entry.family: loaders.load(entry, CPU, torch.float32) for entry in plain(toys)}


@pytest.fixture(scope="session")
def stock(toys: Catalog) -> dict[str, Any]:
    """The reference pipelines, by family."""
    return {entry.family: DiffusionPipeline.from_pretrained(entry.path, local_files_only=True) for entry in plain(toys)}


@pytest.fixture
def draws() -> Callable[[int], Draws]:
    return Draws


@pytest.fixture(autouse=True)
def without_gradients_or_chance() -> Iterator[None]:
    torch.manual_seed(0)
    with torch.no_grad():
        yield


@pytest.fixture(scope="session")
def write_single_file() -> Callable[[Path, Path], None]:
    """(folder, file): writes a diffusers folder as one file in the lay-out of latent diffusion."""

    def write(folder: Path, file: Path) -> None:
        sdxl = (folder / "text_encoder_2").is_dir()
        tensors = _prefixed("model.diffusion_model.", _unet(_part(folder, "unet")))
        tensors |= _prefixed("first_stage_model.", _vae(_part(folder, "vae")))
        encoder = _part(folder, "text_encoder")
        if sdxl:
            tensors |= _prefixed("conditioner.embedders.0.transformer.text_model.", encoder)
            tensors |= _prefixed("conditioner.embedders.1.model.", _open_clip(_part(folder, "text_encoder_2")))
        elif "sd2" in folder.name:
            tensors |= _prefixed("cond_stage_model.model.", _open_clip(encoder))
        else:
            tensors |= _prefixed("cond_stage_model.transformer.text_model.", encoder)
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)

    return write


def _part(folder: Path, name: str) -> dict[str, torch.Tensor]:
    (file,) = (folder / name).glob("*.safetensors")
    return load_file(file)


def _prefixed(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {prefix + name: tensor for name, tensor in tensors.items()}


def _renamed(tensors: dict[str, torch.Tensor], names: dict[str, str]) -> dict[str, torch.Tensor]:
    """Names that begin with a key of `names` begin with its value instead; the longest key wins."""
    renamed = {}
    for name, tensor in tensors.items():
        start = max((key for key in names if name.startswith(key)), key=len)
        renamed[names[start] + name.removeprefix(start)] = tensor
    return renamed


def _replaced(tensors: dict[str, torch.Tensor], pairs: Sequence[tuple[str, str]]) -> dict[str, torch.Tensor]:
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


def _unet(tensors: dict[str, torch.Tensor], layers: int = 1) -> dict[str, torch.Tensor]:
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
        place = 2 if any(name.startswith(f"up_blocks.{level}.attentions") for name in tensors) else 1
        names[f"up_blocks.{level}.upsamplers.0.conv."] = f"output_blocks.{first + layers}.{place}.conv."
    resnets = {name: tensor for name, tensor in tensors.items() if ".resnets." in name}
    others = {name: tensor for name, tensor in tensors.items() if ".resnets." not in name}
    return _renamed(others, names) | _replaced(_renamed(resnets, names), UNET_RESNET)


def _vae(tensors: dict[str, torch.Tensor], levels: int = 4) -> dict[str, torch.Tensor]:
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
    renamed = _replaced(tensors, pairs)
    attention = {name for name in renamed if ".attn_1." in name and renamed[name].ndim == 2}
    return {name: tensor[:, :, None, None] if name in attention else tensor for name, tensor in renamed.items()}


def _open_clip(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
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
    renamed = _replaced(tensors, pairs)
    if "text_projection" in renamed:
        renamed["text_projection"] = renamed["text_projection"].T
    for name in [name for name in renamed if ".q_proj." in name]:
        parts = [renamed.pop(name.replace(".q_proj.", f".{part}_proj.")) for part in "qkv"]
        renamed[name.replace(".q_proj.", ".in_proj_")] = torch.cat(parts)
    return renamed
