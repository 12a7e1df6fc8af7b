"""Reads a CLIP text encoder: a folder of transformers, or a single file, alone or in a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

import torch
from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from models.files.checkpoint_keys import OPEN_CLIP, TEXT_ENCODERS, text_encoder_prefix
from models.files.weights_error import WeightsError
from models.loading.fill import check_neighbours, check_whole
from models.loading.nets import read_transformers_net, refused_by_name
from models.loading.tensors import open_header, read_tensors

ClipTextModel: TypeAlias = CLIPTextModel | CLIPTextModelWithProjection
_INNER = "text_model."
_OPEN_CLIP_NAMES = "cond_stage_model.model.", "conditioner.embedders.1.model."
"""How the names of OpenCLIP's weights begin in a checkpoint, for the first encoder and the second."""
_CLIP_NAMES = "cond_stage_model.transformer."


def read_text_encoder(path: Path, configs: Path, dtype: torch.dtype, index: int) -> ClipTextModel:
    """On the CPU; `index` counts the encoders of a checkpoint from 0. Raises WeightsError.

    A folder is that of the encoder, or of a model that has it in a folder of its own. `configs` is a folder with
    configs in such folders, which a single file gets.
    """
    net_class = CLIPTextModelWithProjection if index else CLIPTextModel
    part = TEXT_ENCODERS[index]
    if path.is_dir():
        folder = path if (path / "config.json").is_file() else path / part
        return read_transformers_net(net_class, folder, dtype)
    source = f"{path.name}, text encoder {index + 1}"
    names = _ldm_names(open_header(path).tensors, index)
    if not names:
        raise WeightsError(
            f"{path.name} has no text encoder {index + 1}; give a complete checkpoint, or name one in `{part}:` of its "
            "entry, or correct its family"
        )
    read = read_tensors(path, dtype=dtype, keep=lambda key: key in names)
    check_neighbours(path.name, read.keys())
    tensors = {names[key]: tensor for key, tensor in read.items()}
    with refused_by_name(f"{source}: its weights cannot be read"):
        net: ClipTextModel = create_diffusers_clip_model_from_ldm(
            net_class, tensors, subfolder=part, config=str(configs), torch_dtype=dtype, local_files_only=True
        )
    check_whole(source, missing=(name for name, weight in net.named_parameters() if weight.is_meta))
    return net


def _ldm_names(keys: Iterable[str], index: int) -> dict[str, str]:
    """The names of an encoder's weights as latent diffusion has them, by their keys in the file."""
    keys = list(keys)
    if prefix := text_encoder_prefix(keys, index):
        return {key: _with_inner(key) for key in keys if key.startswith(prefix)}
    if any(key.startswith(OPEN_CLIP) for key in keys):
        return {key: _OPEN_CLIP_NAMES[index] + key for key in keys}
    layer = next((key for key in keys if f"{_INNER}encoder.layers." in key), "")
    prefix = layer.partition(_INNER)[0]
    inner = {key for key in keys if layer and key.startswith((f"{prefix}{_INNER}", f"{prefix}text_projection."))}
    return {key: _CLIP_NAMES + key.removeprefix(prefix) for key in inner if index or f"{prefix}{_INNER}" in key}


def _with_inner(key: str) -> str:
    """Checkpoints written with old versions of transformers leave out a part of the name."""
    rest = key.removeprefix(_CLIP_NAMES)
    return _CLIP_NAMES + _INNER + rest if rest.startswith(("embeddings.", "encoder.", "final_layer_norm.")) else key
